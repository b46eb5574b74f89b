import { posix } from "node:path";
import { commandText } from "../dockerfile/index.ts";
import { splitImageName } from "./image-name.ts";
import { cannotConvert } from "./refusal.ts";
import type { ContextFiles, Plan, SingleStage } from "./types.ts";

interface PackageJson {
  readonly scripts: Readonly<Record<string, string>>;
  /** Those for production. */
  readonly dependencies: readonly string[];
  /** Some come from directories of the context. */
  readonly local: boolean;
  readonly workspaces: boolean;
}

/** Node: built by npm, yarn or pnpm, run by node. */
export function nodePlan(stage: SingleStage): Plan | undefined {
  const { base, files, directory } = stage;
  const image = splitImageName(base);
  if (image.last !== "node") return undefined;
  const text = files.read("package.json");
  if (text === undefined) throw cannotConvert("there is no package.json in the build context");
  const manifest = parsePackage(text);
  if (manifest.workspaces)
    throw cannotConvert("package.json has workspaces, and which of them the image runs cannot be told");
  const manager = managerOf(stage);
  const program = programOf(stage.command, manifest.scripts);
  const output = outputOf(program, stage);
  const hasDependencies = manifest.dependencies.length > 0;
  const needsSources = ["preinstall", "install", "postinstall", "prepare"].filter(
    (name) => name in manifest.scripts,
  );
  const inDirectory = (paths: readonly string[]) => paths.map((path) => posix.join(directory, path));
  return {
    language: `Node with ${manager.name}`,
    runtime: smallVariant(stage, manifest),
    artefacts: inDirectory([
      "package.json",
      ...(hasDependencies ? ["node_modules"] : []),
      output,
      ...runtimeDirectories.filter((path) => path !== output && files.has(path)),
    ]),
    manifests:
      needsSources.length > 0 || manifest.local
        ? []
        : ["package.json", ...manager.lockfiles].filter((path) => files.has(path)),
    ...(hasDependencies && !alreadyPruned(stage) && { after: manager.prune }),
    notes: [
      ...(hasDependencies
        ? ["Dependencies for development are removed before node_modules is copied."]
        : ["package.json has no dependencies for production: no node_modules is copied."]),
      ...(needsSources.length > 0
        ? [
            `package.json has a script ${needsSources.join(", ")}: sources are still copied before dependencies are installed.`,
          ]
        : []),
      `Of the context the image has ${output} and what is named in COPY --from=build; add what the program reads besides.`,
    ],
  };
}

/** Directories that programs read at run time, where a context has them. */
const runtimeDirectories: readonly string[] = [
  "public",
  "views",
  "templates",
  "static",
  "locales",
  "migrations",
];

function parsePackage(text: string): PackageJson {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw cannotConvert(`package.json is not JSON: ${(error as Error).message}`);
  }
  const {
    scripts = {},
    dependencies = {},
    devDependencies = {},
    optionalDependencies = {},
    workspaces,
  } = (value ?? {}) as Record<string, Record<string, string> | undefined>;
  return {
    scripts,
    dependencies: Object.keys({ ...dependencies, ...optionalDependencies }),
    local: Object.values({ ...dependencies, ...devDependencies, ...optionalDependencies }).some((version) =>
      /^(?:file|link|portal):/.test(version),
    ),
    workspaces: workspaces !== undefined,
  };
}

interface Manager {
  readonly name: string;
  readonly lockfiles: readonly string[];
  readonly prune: string;
}

const managers: readonly Manager[] = [
  { name: "pnpm", lockfiles: ["pnpm-lock.yaml", ".npmrc"], prune: "pnpm prune --prod" },
  {
    name: "yarn",
    lockfiles: ["yarn.lock", ".yarnrc", ".npmrc"],
    prune: "yarn install --production --ignore-scripts --prefer-offline",
  },
  {
    name: "npm",
    lockfiles: ["package-lock.json", "npm-shrinkwrap.json", ".npmrc"],
    prune: "npm prune --omit=dev",
  },
];

function managerOf({ instructions, files }: SingleStage): Manager {
  const commands = instructions.flatMap((instruction) =>
    instruction.kind === "run" ? commandText(instruction) : [],
  );
  const found = managers.find(({ name }) =>
    commands.some((command) => new RegExp(`(?:^|[\\s;&|])${name}\\b`).test(command)),
  );
  if (found === undefined) throw cannotConvert("no step runs npm, yarn or pnpm");
  if (found.name === "yarn" && (files.has(".yarnrc.yml") || files.has(".pnp.cjs")))
    throw cannotConvert("yarn 2 and later keep dependencies in a way of their own");
  return found;
}

function alreadyPruned({ instructions }: SingleStage): boolean {
  return instructions.some(
    (instruction) =>
      instruction.kind === "run" &&
      /\bprune\b|--(?:omit=dev|production|prod)\b/.test(commandText(instruction)),
  );
}

/** The script that node runs, looked up in package.json where the command is `npm start` and the like. */
function programOf(command: readonly string[], scripts: Readonly<Record<string, string>>): string {
  const [program = "", ...words] = command;
  if (/^(?:npm|yarn|pnpm)$/.test(program)) {
    const name = words.find((word) => word !== "run" && !word.startsWith("-")) ?? "";
    const script = Object.hasOwn(scripts, name) ? scripts[name]! : undefined;
    if (script === undefined)
      throw cannotConvert(`package.json has no script ${JSON.stringify(name)}, which the image runs`);
    if (/[;&|$<>]/.test(script))
      throw cannotConvert(`what the script ${name} runs cannot be told: ${script}`);
    return programOf(script.trim().split(/\s+/), {});
  }
  const file = words.find((word) => !word.startsWith("-"));
  if (!/(?:^|\/)node$/.test(program) || file === undefined)
    throw cannotConvert(
      `what it runs cannot be told: ${command.join(" ") || "there is no CMD"}`,
      'a CMD such as ["node", "dist/server.js"] can',
    );
  return file;
}

/** The directory that the build step makes and the program lies in, relative to where it is built. */
function outputOf(program: string, { directory, home, files }: SingleStage): string {
  const path = posix.relative(directory, posix.resolve(home, program));
  const [first = ""] = path.split("/");
  if (path.startsWith("..")) throw cannotConvert(`${program} lies outside ${directory}, where it is built`);
  if (files.has(first))
    throw cannotConvert(
      `${program} is a file of the context, not one that the build step makes: what else it needs cannot be told`,
    );
  return first;
}

/**
 * The variant without compilers: Alpine's when nothing but JavaScript is installed, for compiled parts are for the C
 * library that they were made with.
 */
function smallVariant(stage: SingleStage, manifest: PackageJson): string {
  const { repository, tag, hasDigest } = splitImageName(stage.base);
  if (hasDigest || /slim|alpine|distroless/.test(tag)) return stage.base;
  const variant = isPureJavaScript(stage.files, manifest) && !needsDebian(stage) ? "alpine" : "slim";
  const version = tag.replace(/-?(?:bullseye|bookworm|trixie|latest)$/, "");
  if (variant === "slim")
    return tag === "" || tag === "latest" ? `${repository}:slim` : `${repository}:${tag}-slim`;
  return version === "" ? `${repository}:alpine` : `${repository}:${version}-alpine`;
}

/** By npm's lock file, which says of each package whether it has an install script or is for one system only. */
function isPureJavaScript(files: ContextFiles, { dependencies }: PackageJson): boolean {
  if (dependencies.length === 0) return true;
  const lock = files.read("package-lock.json") ?? files.read("npm-shrinkwrap.json");
  if (lock === undefined) return false;
  try {
    const { packages } = JSON.parse(lock) as { packages?: Record<string, Record<string, unknown>> };
    if (packages === undefined) return false;
    return Object.entries(packages).every(
      ([path, { dev, hasInstallScript, os, cpu, libc }]) =>
        path === "" || dev === true || !(hasInstallScript || os || cpu || libc),
    );
  } catch {
    return false;
  }
}

/** A step or command that goes into the shipped stage speaks of programs that Alpine has not. */
function needsDebian({ instructions }: SingleStage): boolean {
  return instructions.some(
    (instruction) =>
      instruction.kind === "shell" ||
      (instruction.kind === "run" && /\b(?:useradd|groupadd)\b/.test(commandText(instruction))),
  );
}
