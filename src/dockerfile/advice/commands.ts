import type { RunInstruction, StageInstruction } from "../instructions/types.ts";

/** What a RUN does, as far as its text tells. */

const start = String.raw`(?:^|[\s;&|(])`;
const end = String.raw`(?=$|[\s;&|)])`;

function anyOf(...commands: readonly string[]): RegExp {
  return new RegExp(`${start}(?:${commands.join("|")})${end}`, "m");
}

const installs = anyOf(
  "npm (?:install|i|ci)(?! +(?:-g|--global))",
  "yarn(?: install)?(?= *(?:$|[;&|]| --))",
  "pnpm (?:install|i)",
  "(?:pip3?|python3? -m pip|uv pip) install(?: [^;&|]*)? -r",
  "poetry install",
  "uv sync",
  "pipenv install",
  "go mod download",
  "bundle install",
  "composer install",
  String.raw`mvnw?(?: [^;&|]*)? dependency:[\w-]+`,
  "cargo fetch",
  "dotnet restore",
  "(?:apt-get|apt|dnf|microdnf|yum)(?: [^;&|]*)? install",
  "apk add",
);

const builds = anyOf(
  "go (?:build|install)",
  String.raw`(?:npm|yarn|pnpm|bun) (?:run(?:-script)? )?build\S*`,
  "(?:make|ninja)(?: [^;&|]*)?",
  "cmake --build",
  String.raw`(?:\./)?mvnw?(?: [^;&|]*)? (?:package|install|verify)`,
  String.raw`(?:\./)?gradlew?(?: [^;&|]*)? (?:build|assemble|jar|bootJar|installDist)`,
  "cargo (?:build|install)",
  "dotnet (?:build|publish)",
  "(?:npx )?(?:tsc|webpack|vite build|ng build|next build)",
  String.raw`(?:g\+\+|gcc|cc|c\+\+|clang|clang\+\+|rustc|javac)`,
);

const systemPackages = /(?:apt-get|apt|dnf|microdnf|yum|apk)(?: [^;&|]*)? (?:install|add) ([^;&|]*)/g;

const buildTools =
  /^(?:gcc|g\+\+|clang|make|cmake|ninja-build|build-essential|build-base|golang|golang-go|go|rustc|cargo|maven|gradle|default-jdk(?:-headless)?|openjdk[\w-]*-jdk[\w-]*|musl-dev|libc6?-dev|linux-headers|autoconf|automake|pkg-config)(?:=.*)?$/;

/** The command of a RUN with its here-documents, continuation lines joined. */
export function commandText({ command, files }: RunInstruction): string {
  return [...command.args, ...files.map(({ data }) => data)].join(" ");
}

/** The RUN installs an application's dependencies, or packages of the system. */
export function installsDependencies(instruction: StageInstruction): instruction is RunInstruction {
  return instruction.kind === "run" && installs.test(commandText(instruction));
}

/** The RUN compiles or bundles something. */
export function buildsSomething(instruction: StageInstruction): instruction is RunInstruction {
  return instruction.kind === "run" && builds.test(commandText(instruction));
}

/** Tools for building that the RUN installs and leaves there. */
export function installedTools(instruction: StageInstruction): string[] {
  if (instruction.kind !== "run") return [];
  const text = commandText(instruction);
  if (/\b(?:apk del|(?:apt-get|apt)(?: [^;&|]*)? (?:purge|remove|autoremove))\b/.test(text)) return [];
  return [...text.matchAll(systemPackages)].flatMap(([, words = ""]) =>
    words.split(/\s+/).filter((word) => buildTools.test(word)),
  );
}

/** The image is a tool chain by its name. */
export function isToolChain(image: string): boolean {
  const name = image.replace(/@.*$/, "");
  const repository = name.replace(/:[^/]*$/, "");
  if (/(?:^|\/)(?:golang|rust|maven|gradle|gcc|buildpack-deps)$/.test(repository)) return true;
  return /\/sdk$/.test(repository) || /:.*\bjdk\b/.test(name);
}
