import { posix } from "node:path";
import type { StageInstruction } from "../instructions/types.ts";
import { checkOptionsOf, shownWarnings } from "../lint/options.ts";
import type { Dockerfile } from "../parser/ast.ts";
import type { Stage, StageGraph } from "../stages/types.ts";
import { buildsSomething, installedTools, installsDependencies, isToolChain } from "./commands.ts";
import { chainOf, copiesContext, isWithin, sourceDirectories } from "./paths.ts";
import type { Advice, AdviceName, Cost } from "./rules.ts";

/** An image of more bytes than this is worth a second stage. */
export const largeImage = 200_000_000;

/** All that can be seen in the file. `imageSize` is that of the image in bytes, where it has been built. */
export function adviceFor(graph: StageGraph, imageSize?: number): Advice[] {
  const { stages, target } = graph;
  const shipped = target === stages.length - 1 ? chainOf(stages[target]!, stages) : [];
  return [
    ...stages.flatMap((stage) => stagesByNumber(stage)),
    ...stages.flatMap((stage) => wholeStages(stage, stages)),
    ...toolsIn(shipped),
    ...sourcesIn(shipped),
    ...stages.flatMap((stage) => copiesBeforeInstall(stage)),
    ...unusedStages(stages),
    ...largeSingleStage(stages, imageSize),
  ];
}

/** The advice that `# check=skip=…`, or the build argument in its place, leaves. */
export function shownAdvice(found: readonly Advice[], dockerfile: Dockerfile, argument?: string): Advice[] {
  return shownWarnings(found, dockerfile, checkOptionsOf(dockerfile, argument));
}

function advice(
  rule: AdviceName,
  stage: Stage,
  at: StageInstruction | Stage,
  message: string,
  cost?: Cost,
): Advice {
  const place = "from" in at && typeof at.from === "object" ? at.from : (at as StageInstruction);
  return {
    rule,
    message,
    ranges: [place.range],
    stage: stage.index,
    comments: place.node.comments,
    ...(cost !== undefined && { cost }),
  };
}

function stagesByNumber(stage: Stage): Advice[] {
  return stage.uses.flatMap(({ by, source, name, instruction }) => {
    if (by !== "copy" || source.kind !== "stage" || !/^\+?\d+$/.test(name)) return [];
    const message = `--from=${name} means another stage when stages are put in another order: give it a name`;
    return advice("StageByNumber", stage, instruction, message);
  });
}

/** Whether the stage, or one that it is built on, runs anything. */
function runsSomething(stage: Stage, stages: readonly Stage[]): boolean {
  return chainOf(stage, stages).some(({ instructions }) => instructions.some(({ kind }) => kind === "run"));
}

function wholeStages(stage: Stage, stages: readonly Stage[]): Advice[] {
  return stage.uses.flatMap(({ by, source, instruction }) => {
    if (by !== "copy" || source.kind !== "stage" || instruction.kind !== "copy") return [];
    const other = stages[source.stage]!;
    if (other.replacedBy !== undefined || !runsSomething(other, stages)) return [];
    const directories = sourceDirectories(other, stages);
    const all = instruction.sources
      .map((path) => posix.resolve("/", path))
      .find(
        (path) =>
          path === "/" || directories.some((directory) => directory !== "/" && isWithin(directory, path)),
      );
    if (all === undefined) return [];
    const what = all === "/" ? "the whole file system" : `${all} with the sources in it`;
    const message = `${what} is copied from stage ${other.label}: copy only what the image runs`;
    return advice("WholeStageCopied", stage, instruction, message, { kind: "layer", instruction });
  });
}

function toolsIn(shipped: readonly Stage[]): Advice[] {
  const [root] = shipped;
  if (root === undefined) return [];
  const found: Advice[] = [];
  if (root.base.kind === "image" && isToolChain(root.baseName)) {
    const message = `the image is built on ${root.baseName}, which is a tool chain: build in a stage of its own, and copy the result to a smaller base`;
    found.push(advice("BuildToolsInImage", root, root, message, { kind: "base" }));
  }
  for (const stage of shipped)
    for (const instruction of stage.instructions) {
      const tools = [...new Set(installedTools(instruction))];
      if (tools.length === 0) continue;
      const verb = tools.length === 1 ? "stays" : "stay";
      const message = `${tools.join(", ")} ${verb} in the image: install build tools in a stage of its own`;
      found.push(advice("BuildToolsInImage", stage, instruction, message, { kind: "layer", instruction }));
    }
  return found;
}

function sourcesIn(shipped: readonly Stage[]): Advice[] {
  const steps = shipped.flatMap((stage) => stage.instructions.map((instruction) => ({ stage, instruction })));
  const copy = steps.findIndex(({ instruction }) => copiesContext(instruction));
  const build = steps.slice(copy + 1).find(({ instruction }) => buildsSomething(instruction));
  if (copy < 0 || build === undefined) return [];
  const { stage, instruction } = steps[copy]!;
  const message = `the sources stay in the image that line ${build.instruction.range.start.line} builds from them: build in a stage of its own`;
  return [advice("SourcesInImage", stage, instruction, message, { kind: "layer", instruction })];
}

function copiesBeforeInstall(stage: Stage): Advice[] {
  const { instructions } = stage;
  const copy = instructions.findIndex(copiesContext);
  const install = instructions.slice(copy + 1).find(installsDependencies);
  if (copy < 0 || install === undefined || instructions.slice(0, copy).some(installsDependencies)) return [];
  const message = `any changed file makes line ${install.range.start.line} install again: copy what it needs first, and the rest behind it`;
  return [
    advice("CopyBeforeInstall", stage, instructions[copy]!, message, { kind: "time", instruction: install }),
  ];
}

/** Stages that somebody asks for by `--target`, by what they are called. */
const targets =
  /(?:^|[-_.])(?:tests?|testing|unit|e2e|lint|check|ci|dev|devel|development|debug|docs?|bench|export|release|prod|production|runtime)(?:$|[-_.])/;

function unusedStages(stages: readonly Stage[]): Advice[] {
  const used = new Set<number>([stages.length - 1]);
  for (const { base, uses } of stages)
    for (const source of [base, ...uses.map((use) => use.source)])
      if (source.kind === "stage") used.add(source.stage);
  return stages
    .filter(({ index, name }) => !used.has(index) && !(name !== undefined && targets.test(name)))
    .map((stage) => {
      const message = `nothing uses stage ${stage.label}; only --target ${stage.name ?? stage.index} builds it`;
      return advice("UnusedStage", stage, stage, message);
    });
}

function largeSingleStage(stages: readonly Stage[], size = 0): Advice[] {
  const [stage, second] = stages;
  const build = stage?.instructions.find(buildsSomething);
  if (stage === undefined || second !== undefined || build === undefined || size <= largeImage) return [];
  const message = "the image is built and shipped in one stage: `stagewright convert` writes two";
  return [advice("LargeSingleStage", stage, build, message, { kind: "image" })];
}
