import { posix } from "node:path";
import {
  buildsSomething,
  commandText,
  type DockerfileStages,
  installsDependencies,
  type StageInstruction,
  textAt,
} from "../dockerfile/index.ts";
import { createsUser, goPlan, javaPlan, nativePlan, refuseInterpreted, rustPlan } from "./compiled.ts";
import { nodePlan } from "./node.ts";
import { cannotConvert } from "./refusal.ts";
import { singleStage } from "./single-stage.ts";
import type { ContextFiles, Conversion, Plan, Recipe, SingleStage } from "./types.ts";

const recipes: readonly Recipe[] = [nodePlan, goPlan, rustPlan, javaPlan, refuseInterpreted, nativePlan];

/**
 * Writes a Dockerfile with a stage that builds and one that is shipped from a Dockerfile with one stage. Comments stay
 * with their instructions. Throws `failed-precondition` with the reason for a file that it does not understand well
 * enough.
 */
export function toMultiStage(source: DockerfileStages, files: ContextFiles): Conversion {
  const stage = singleStage(source, files);
  const plan = recipes.map((recipe) => recipe(stage)).find((found) => found !== undefined);
  if (plan === undefined)
    throw cannotConvert(
      `how ${stage.base} builds and what of it runs is not known`,
      "known are Node, Go, Rust, Java with Maven or Gradle, and C and C++ on a distribution's image",
    );
  const blocks = blocksOf(source);
  const name = source.stages[0]!.from.stageName ?? "build";
  const lines = [
    blocks.head,
    ...buildStage(stage, plan, blocks, source, name),
    "",
    `# What is shipped: ${plan.runtime === "scratch" ? "nothing but" : `${plan.runtime} with`} what stage ${name} made.`,
    `FROM ${plan.runtime}`,
    ...shippedStage(stage, plan, blocks, name),
    blocks.tail,
  ];
  return {
    text: `${lines
      .filter((line) => line !== undefined)
      .join("\n")
      .trimEnd()}\n`,
    notes: [
      `${plan.language}: built from ${stage.base}, shipped from ${plan.runtime}.`,
      ...plan.notes,
      ...leftInBuild(stage),
    ],
  };
}

/** Steps that may be for the program as well as for its build. */
function leftInBuild({ instructions, build }: SingleStage): string[] {
  return instructions.slice(0, instructions.indexOf(build)).flatMap((instruction) => {
    if (instruction.kind !== "run") return [];
    const command = commandText(instruction);
    if (createsUser(command) || !/\b(?:apt-get|apt|apk|dnf|microdnf|yum)\b/.test(command)) return [];
    const { line } = instruction.range.start;
    return `What line ${line} installs is in the build stage alone: repeat it in the last one if the program needs it.`;
  });
}

/** The file's text, cut so that each instruction has the comments and blank lines above it. */
interface Blocks {
  /** Directives, global ARGs and the comments above FROM. */
  readonly head: string | undefined;
  readonly of: ReadonlyMap<StageInstruction, string>;
  /** What follows the last instruction. */
  readonly tail: string | undefined;
}

function blocksOf({ dockerfile, stages }: DockerfileStages): Blocks {
  const { from, instructions } = stages[0]!;
  let at = { line: 1, column: 0 };
  const upTo = (end: { line: number; column: number }): string => {
    const text = textAt(dockerfile, { start: at, end })
      .replace(/^\r?\n/, "")
      .replaceAll("\r\n", "\n");
    at = end;
    return text;
  };
  const head = upTo(from.range.start).replace(/\n$/, "");
  at = from.range.end;
  const of = new Map(instructions.map((instruction) => [instruction, upTo(instruction.range.end)]));
  const lines = dockerfile.source.text.split("\n");
  const tail = upTo({ line: lines.length, column: lines.at(-1)!.length }).trim();
  return { head: head === "" ? undefined : head, of, tail: tail === "" ? undefined : tail };
}

/** Instructions that say how the image is run, not how it is made. */
const metadata: ReadonlySet<string> = new Set([
  ...["cmd", "entrypoint", "expose", "healthcheck", "label", "maintainer", "stopsignal", "volume", "onbuild"],
]);

function buildStage(
  stage: SingleStage,
  plan: Plan,
  blocks: Blocks,
  { dockerfile, stages }: DockerfileStages,
  name: string,
): (string | undefined)[] {
  const { instructions, build } = stage;
  const { from } = stages[0]!;
  const as = from.name === from.name.toLowerCase() ? "as" : "AS";
  const fromText = textAt(dockerfile, from.range) + (from.stageName === undefined ? ` ${as} ${name}` : "");
  const last = instructions.indexOf(build);
  const steps = instructions.slice(0, last + 1).filter((instruction) => !isShippedOnly(instruction, stage));
  const out: (string | undefined)[] = [fromText];
  const copy = steps.findIndex((instruction) => isContextCopy(instruction));
  const install = steps.findIndex((step) => installsDependencies(step) && !buildsSomething(step));
  const fetchAlone = plan.fetch !== undefined && install < 0;
  const moves = plan.manifests.length > 0 && copy >= 0 && (fetchAlone || install > copy);
  steps.forEach((instruction, index) => {
    const text =
      instruction === build ? rewritten(blocks.of.get(instruction)!, plan) : blocks.of.get(instruction);
    if (!moves) out.push(text);
    else if (index === copy) {
      out.push("# Dependencies come first: they are installed again only when these files change.");
      out.push(`COPY ${plan.manifests.join(" ")} ./`);
      if (fetchAlone) out.push(`RUN ${plan.fetch}`, text);
    } else if (index === install && !fetchAlone) out.push(text, blocks.of.get(steps[copy]!));
    else out.push(text);
  });
  if (plan.after !== undefined) out.push("# What only building needs is not shipped.", `RUN ${plan.after}`);
  for (const instruction of instructions.slice(last + 1))
    if (instruction.kind === "run" && !createsUser(commandText(instruction)))
      out.push(keptInBuild(instruction, blocks));
  return out;
}

/** Steps behind the build step that only tidy or test; of others it is not known what they are for. */
function keptInBuild(instruction: StageInstruction & { kind: "run" }, blocks: Blocks): string | undefined {
  const command = commandText(instruction);
  const tidies =
    /^(?:(?:rm|npm prune|npm test|npm run test|npm cache clean|yarn cache clean|pnpm prune|pnpm store prune|go test|go clean|cargo test|strip)\b[^;&|]*(?:&&\s*)?)+$/;
  if (tidies.test(command.trim())) return blocks.of.get(instruction);
  throw cannotConvert(
    `what line ${instruction.range.start.line} does behind the build step cannot be told: ${command.split("\n")[0]}`,
  );
}

function rewritten(text: string, { rewriteBuild }: Plan): string {
  return rewriteBuild === undefined ? text : rewriteBuild(text);
}

function isContextCopy(instruction: StageInstruction): boolean {
  return (
    instruction.kind === "copy" &&
    instruction.from === undefined &&
    instruction.sources.some((source) => posix.normalize(`/${source}`) === "/")
  );
}

function isShippedOnly(instruction: StageInstruction, { instructions, build }: SingleStage): boolean {
  if (metadata.has(instruction.kind)) return true;
  if (instruction.kind !== "run" || !createsUser(commandText(instruction))) return false;
  const user = instructions.findIndex(({ kind }) => kind === "user");
  return user < 0 || user > instructions.indexOf(build);
}

function shippedStage(stage: SingleStage, plan: Plan, blocks: Blocks, name: string): (string | undefined)[] {
  const { instructions, build } = stage;
  const last = instructions.indexOf(build);
  const out: (string | undefined)[] = [];
  let directory = "/";
  let copied = false;
  const copyArtefacts = () => {
    if (!copied) for (const path of plan.artefacts) out.push(copyLine(path, directory, name));
    copied = true;
  };
  instructions.forEach((instruction, index) => {
    const kept = keptInShipped(instruction, index > last, stage);
    if (kept === "no") return;
    const { kind } = instruction;
    if (kind === "workdir") directory = posix.resolve(directory, instruction.path);
    // The user that the program runs as need not be able to write where it lies.
    else if (index > last || kind === "user" || metadata.has(kind)) copyArtefacts();
    out.push(kept === "with comments" ? blocks.of.get(instruction) : instruction.code);
  });
  copyArtefacts();
  return out;
}

/** What of the one stage goes into the shipped one; comments go with what is nowhere else. */
function keptInShipped(
  instruction: StageInstruction,
  afterBuild: boolean,
  { directory }: SingleStage,
): "no" | "with comments" | "bare" {
  if (metadata.has(instruction.kind)) return "with comments";
  switch (instruction.kind) {
    case "workdir":
    case "env":
    case "user":
    case "shell":
    case "arg":
      return afterBuild ? "with comments" : "bare";
    case "run":
      return createsUser(commandText(instruction)) ? "with comments" : "no";
    case "copy":
    case "add": {
      if (afterBuild) return "with comments";
      const { destination } = instruction;
      const outside =
        destination.startsWith("/") && !`${posix.resolve(destination)}/`.startsWith(`${directory}/`);
      return outside && directory !== "/" ? "bare" : "no";
    }
    default:
      return "no";
  }
}

/** Whatever is copied keeps its place. */
function copyLine(path: string, directory: string, name: string): string {
  const target = /[*?[]/.test(path) ? `${posix.dirname(path)}/` : path;
  const relative = posix.relative(directory, target);
  const inside = directory !== "/" && relative !== "" && !relative.startsWith("..");
  return `COPY --from=${name} ${path} ${inside ? `./${relative}` : target}`;
}
