import { posix } from "node:path";
import { commandText } from "../dockerfile/index.ts";
import { splitImageName } from "./image-name.ts";
import { cannotConvert } from "./refusal.ts";
import type { Plan, SingleStage } from "./types.ts";

/** Languages whose build makes a program or an archive. */

/** Go: a static program, shipped on nothing where nothing else is needed. */
export function goPlan(stage: SingleStage): Plan | undefined {
  const { base, files, build } = stage;
  const image = splitImageName(base);
  if (image.last !== "golang") return undefined;
  const command = commandText(build);
  if (!/\bgo build\b/.test(command)) throw cannotConvert("no step runs go build");
  const program = programOf(stage);
  const output = /\s-o[ =](\S+)/.exec(command)?.[1];
  if (output === undefined || !isSame(output, program, stage))
    throw cannotConvert(`go build does not say with -o that it makes ${program}, which the image runs`);
  const module = files.read("go.mod") ?? "";
  const usesC = /\bCGO_ENABLED=1\b/.test(command);
  if (usesC) throw cannotConvert("CGO_ENABLED=1 makes a program that needs libraries");
  const hasModules = /^\s*require\b/m.test(module);
  return {
    language: "Go",
    runtime: needsSystem(stage) ? (/alpine/.test(image.tag) ? "alpine" : "debian:stable-slim") : "scratch",
    artefacts: [program, certificates, ...dataDirectories(stage)],
    manifests: hasModules ? ["go.mod", "go.sum"].filter((path) => files.has(path)) : [],
    ...(hasModules && { fetch: "go mod download" }),
    rewriteBuild: (text) =>
      /CGO_ENABLED=/.test(text) || stage.instructions.some(setsCgo)
        ? text
        : text.replace(/\bgo build\b/, "CGO_ENABLED=0 go build"),
    notes: [
      "The program is built without C libraries (CGO_ENABLED=0), so it needs none in the image.",
      "Certificate authorities are copied where the build image has them.",
    ],
  };
}

/** A pattern that may match nothing: some images for building have no certificates. */
const certificates = "/etc/ssl/certs/ca-certificates.cr[t]";

function setsCgo(instruction: SingleStage["instructions"][number]): boolean {
  return instruction.kind === "env" && instruction.pairs.some(({ key }) => key === "CGO_ENABLED");
}

/** Whether the image needs a shell or a user database. */
function needsSystem({ instructions }: SingleStage): boolean {
  return instructions.some((instruction) => {
    if (instruction.kind === "cmd" || instruction.kind === "entrypoint") return instruction.command.shell;
    if (instruction.kind === "user") return !/^\d+(?::\d+)?$/.test(instruction.user);
    if (instruction.kind === "healthcheck") return instruction.healthcheck.test[0] === "CMD-SHELL";
    return instruction.kind === "run" && createsUser(commandText(instruction));
  });
}

/** Steps that make users are for the shipped stage as well. */
export function createsUser(command: string): boolean {
  return /\b(?:adduser|useradd|addgroup|groupadd)\b/.test(command);
}

/** Rust: a program for the C library of Debian. */
export function rustPlan(stage: SingleStage): Plan | undefined {
  const image = splitImageName(stage.base);
  if (image.last !== "rust") return undefined;
  if (/alpine/.test(image.tag)) return programPlan(stage, "Rust", "alpine", /\bcargo (?:build|install)\b/);
  const suite = /(bookworm|trixie|bullseye)/.exec(image.tag)?.[1];
  return programPlan(stage, "Rust", `debian:${suite ?? "stable"}-slim`, /\bcargo (?:build|install)\b/);
}

/** Languages whose programs run from their sources. */
export function refuseInterpreted({ base }: SingleStage): undefined {
  const { last } = splitImageName(base);
  if (["python", "ruby", "php", "perl"].includes(last))
    throw cannotConvert(
      `programs in ${last} run from their sources, and what else they need cannot be told`,
      `try a smaller variant of the base, such as ${last}:slim`,
    );
  return undefined;
}

/** C and C++: the same base, without the tools that a step installs. */
export function nativePlan(stage: SingleStage): Plan | undefined {
  const compiles = /(?:^|[\s;&|])(?:g\+\+|gcc|cc|c\+\+|clang(?:\+\+)?|make|cmake|ninja)(?:\s|$)/;
  if (!compiles.test(commandText(stage.build))) return undefined;
  const { last } = splitImageName(stage.base);
  if (!["debian", "ubuntu", "alpine", "fedora"].includes(last))
    throw cannotConvert(`which small image has the C libraries of ${stage.base} cannot be told`);
  return programPlan(stage, "C or C++", stage.base, compiles);
}

/** A program at the path that the image runs. */
function programPlan(stage: SingleStage, language: string, runtime: string, builds: RegExp): Plan {
  if (!builds.test(commandText(stage.build))) throw cannotConvert(`no step builds ${language}`);
  const program = programOf(stage);
  return {
    language,
    runtime,
    artefacts: [program, ...dataDirectories(stage)],
    manifests: [],
    notes: [
      `Shared libraries that steps installed for ${program} have to be installed in the last stage too.`,
    ],
  };
}

/** Java: an archive, run by a Java without compiler. */
export function javaPlan(stage: SingleStage): Plan | undefined {
  const { build, command, base } = stage;
  if (!/(?:^|[\s;&|/])(?:mvnw?|gradlew?)\b/.test(commandText(build))) return undefined;
  const jarAt = command.indexOf("-jar") + 1;
  const jar = command[jarAt];
  if (command[0] === undefined || !/(?:^|\/)java$/.test(command[0]) || jarAt === 0 || jar === undefined)
    throw cannotConvert("the image does not run java -jar FILE");
  const image = splitImageName(base);
  const version = /(?:temurin-|jdk-?|openjdk-)(\d+)/.exec(image.tag)?.[1] ?? /^(\d+)/.exec(image.tag)?.[1];
  const known = ["maven", "gradle", "eclipse-temurin", "openjdk"].includes(image.last);
  if (!known || version === undefined) throw cannotConvert(`which Java ${base} has cannot be told`);
  const ofMaven = image.last === "maven" && !/(?:temurin|jdk)/.test(image.tag);
  if (ofMaven) throw cannotConvert(`which Java ${base} has cannot be told`);
  return {
    language: "Java",
    runtime: `eclipse-temurin:${version}-jre${/alpine/.test(image.tag) ? "-alpine" : ""}`,
    artefacts: [posix.resolve(stage.home, jar)],
    manifests: [],
    notes: [`The image runs ${jar} with a Java without compiler.`],
  };
}

/** The program that the image runs, as an absolute path. */
function programOf({ command, home }: SingleStage): string {
  const [program] = command;
  if (program === undefined) throw cannotConvert("there is no CMD or ENTRYPOINT");
  if (!program.includes("/"))
    throw cannotConvert(
      `where ${program} lies cannot be told`,
      `give CMD the program's path, such as ./${program}`,
    );
  return posix.resolve(home, program);
}

function isSame(output: string, program: string, { directory }: SingleStage): boolean {
  const path = posix.resolve(directory, output.replace(/^["']|["']$/g, ""));
  return path === program || posix.join(path, posix.basename(program)) === program;
}

function dataDirectories({ files, directory }: SingleStage): string[] {
  return ["static", "templates", "public", "migrations", "locales"]
    .filter((path) => files.has(path))
    .map((path) => posix.join(directory, path));
}
