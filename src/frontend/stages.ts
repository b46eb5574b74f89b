import { type Digest, formatPlatform, goText } from "../core/index.ts";
import { type Stage, type StageGraph, type StageInstruction, warningOf } from "../dockerfile/index.ts";
import { convertInstruction } from "./convert/index.ts";
import { enterDirectory } from "./convert/workdir.ts";
import { defaultPath, emptyImage, normalisePlatform, platformOf } from "./image.ts";
import { type Origin, type Origins, outsideName } from "./origins.ts";
import { absolutePath } from "./paths.ts";
import { errorAtRange, invalid } from "./refuse.ts";
import { originEdge } from "./sources.ts";
import {
  type BuildContext,
  type StageContext,
  type StageState,
  type Step,
  withConfig,
  withVariables,
} from "./stage-state.ts";
import { nameStep } from "./step-name.ts";

/**
 * Which paths the build uses of everything it can copy from. Local directories are asked for no more than that, but
 * what it is is known only after all stages have been converted: so they are converted twice, first to find the
 * paths, then with them.
 */
export interface UsedPaths {
  readonly context: Set<string>;
  /** By stage number; stages built on each other share one set. */
  readonly stages: Map<number, Set<string>>;
  readonly uses: Map<StageInstruction, Map<number, Set<string>>>;
}

/** Nothing is used yet. */
export function noPaths(): UsedPaths {
  return { context: new Set(), stages: new Map(), uses: new Map() };
}

/** Told of each stage when it begins (no instruction) and after each of its instructions. */
export type StepObserver = (
  stage: Stage,
  state: StageState,
  how: { readonly instruction?: StageInstruction; readonly onbuild: boolean; readonly ignoreCache: boolean },
) => void;

/** Converts the needed stages, in the order of the file. */
export function convertStages(
  graph: StageGraph,
  origins: Origins,
  build: BuildContext,
  used: UsedPaths,
  observe: StepObserver = () => {},
): ReadonlyMap<number, StageState> {
  const done = new Map<number, StageState>();
  const label = labelsOf(graph);
  for (const index of graph.needed) warnOfPlatform(graph.stages[index]!, origins, build);
  for (const index of graph.needed) {
    const stage = graph.stages[index]!;
    const context = stageContext(stage, label(stage), graph, origins, build, used, done);
    try {
      done.set(index, startStage(stage, context, origins, done));
    } catch (error) {
      throw errorAtRange(build, stage.from.range, error);
    }
    const { ignoreCache } = context;
    observe(stage, done.get(index)!, { onbuild: false, ignoreCache });
    if (stage.replacedBy !== undefined) continue;
    for (const [instruction, onbuild] of instructionsOf(stage)) {
      const step: Step = {
        instruction,
        original: instruction,
        stage: context,
        onbuild,
        range: instruction.range,
      };
      try {
        done.set(index, convertInstruction(done.get(index)!, step));
      } catch (error) {
        throw errorAtRange(build, instruction.range, error);
      }
      observe(stage, done.get(index)!, { instruction, onbuild, ignoreCache });
    }
  }
  return done;
}

function instructionsOf(stage: Stage): [StageInstruction, boolean][] {
  return [
    ...stage.triggers.map((trigger): [StageInstruction, boolean] => [trigger, true]),
    ...stage.instructions.map((instruction): [StageInstruction, boolean] => [instruction, false]),
  ];
}

/** Names of steps leave the stage out when there is no other; what a stage copies from outside counts as one. */
function labelsOf(graph: StageGraph): (stage: Stage) => string {
  const names = new Set(graph.stages.map((stage) => stage.name));
  const outside = (from: string | undefined) => from === undefined || !names.has(from.toLowerCase());
  let count = graph.stages.length;
  for (const { instructions } of graph.stages)
    for (const instruction of instructions) {
      if (
        instruction.kind === "copy" &&
        instruction.from !== undefined &&
        !/^[-+]?\d+$/.test(instruction.from)
      )
        count += outside(instruction.from) ? 1 : 0;
      if (instruction.kind === "run")
        count += instruction.mounts.filter((mount) => outside(mount.from)).length;
    }
  return (stage) => (count === 1 ? "" : stage.label);
}

function stageContext(
  stage: Stage,
  label: string,
  graph: StageGraph,
  origins: Origins,
  build: BuildContext,
  used: UsedPaths,
  done: ReadonlyMap<number, StageState>,
): StageContext {
  const { noCache } = build.options;
  return {
    build,
    notes: getOrAdd(build.notes, stage.index, () => ({ args: [], secrets: [], sshAgents: [] })),
    label,
    stepCount: countSteps(stage),
    ignoreCache:
      noCache === true ||
      (Array.isArray(noCache) && noCache.some((name) => name.toLowerCase() === (stage.name ?? ""))),
    paths: stagePaths(stage, graph, used),
    source(instruction, mount) {
      const use = stage.uses.find((one) => one.instruction === instruction && one.mount === mount);
      if (use === undefined) throw invalid("the stage graph does not know this source");
      if (use.source.kind === "stage") {
        const other = done.get(use.source.stage);
        if (other === undefined)
          throw invalid(`cannot read from stage "${use.name}", it needs to be defined before this one`);
        return { edge: other.edge, paths: stagePaths(graph.stages[use.source.stage]!, graph, used) };
      }
      const paths = usePaths(instruction, mount ?? -1, used);
      const name = outsideName(use.source);
      const origin = name === undefined ? undefined : origins.names.get(name);
      return { edge: origin === undefined ? undefined : originEdge(origin, build, paths, plainName), paths };
    },
  };
}

function plainName(ref: string): string {
  return `FROM ${ref}`;
}

function countSteps(stage: Stage): number {
  if (stage.replacedBy !== undefined) return 0;
  const ownBase = stage.base.kind !== "stage" && stage.baseName !== "scratch";
  const steps = stage.instructions.filter(({ kind }) => ["add", "copy", "run", "workdir"].includes(kind));
  // Triggers count whatever they are, as in BuildKit.
  return (ownBase ? 1 : 0) + steps.length + stage.triggers.length;
}

/** The used paths of a stage's root filesystem. */
export function stagePaths(stage: Stage, graph: StageGraph, used: UsedPaths): Set<string> {
  return getOrAdd(used.stages, rootStage(stage, graph).index, () => new Set());
}

/** The stage that a chain of stages begins with: its base is no stage of the file. */
export function rootStage(stage: Stage, graph: StageGraph): Stage {
  let root = stage;
  while (root.base.kind === "stage" && root.replacedBy === undefined) root = graph.stages[root.base.stage]!;
  return root;
}

function usePaths(instruction: StageInstruction, mount: number, used: UsedPaths): Set<string> {
  const ofInstruction = getOrAdd(used.uses, instruction, () => new Map<number, Set<string>>());
  return getOrAdd(ofInstruction, mount, () => new Set());
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

function startStage(
  stage: Stage,
  context: StageContext,
  origins: Origins,
  done: ReadonlyMap<number, StageState>,
): StageState {
  if (stage.base.kind === "stage" && stage.replacedBy === undefined)
    return enterImage(inherit(done.get(stage.base.stage)!));
  const { build } = context;
  const origin: Origin = origins.stages.get(stage.index) ?? { kind: "scratch" };
  const state = originState(origin, stage, build);
  if (origin.kind !== "image" || stage.replacedBy !== undefined || origin.key !== undefined) {
    const edge = originEdge(origin, build, context.paths, plainName);
    return enterImage(withoutTriggers({ ...state, edge }));
  }
  if (origin.empty) return enterImage(withoutTriggers(state));
  // BuildKit names FROM before it knows the triggers of the image, and so does not count them there.
  const known = { ...context, stepCount: context.stepCount - stage.triggers.length };
  const named = nameStep(known, state, plainName(origin.ref), { platform: origin.platform });
  const edge = originEdge(origin, build, context.paths, () => named.name, stage);
  return enterImage(withoutTriggers({ ...named.state, edge }));
}

function warnOfPlatform(stage: Stage, origins: Origins, build: BuildContext): void {
  const origin = origins.stages.get(stage.index);
  if (origin?.kind !== "image" || origin.empty || stage.replacedBy !== undefined || origin.key !== undefined)
    return;
  const actual = platformOf(origin.image);
  if (actual.os === origin.platform.os && actual.architecture === origin.platform.architecture) return;
  const [have, want] = [actual, origin.platform].map((platform) =>
    goText.quote(formatPlatform(normalisePlatform(platform))),
  );
  const message = `Base image ${stage.baseName} was pulled with platform ${have}, expected ${want} for current build`;
  build.warn(warningOf("InvalidBaseImagePlatform", message, [stage.from.range]));
}

/** A stage on another stage: its triggers have become instructions, its own steps are counted from the start. */
function inherit(base: StageState): StageState {
  return { ...withoutTriggers(base), last: {}, stepsNamed: 0 };
}

function withoutTriggers(state: StageState): StageState {
  return withConfig(state, { OnBuild: undefined });
}

function originState(origin: Origin, stage: Stage, build: BuildContext): StageState {
  const platform = normalisePlatform(stage.platform ?? build.targetPlatform);
  const image = origin.kind === "image" ? origin.image : emptyImage(platform);
  const start: StageState = {
    edge: undefined,
    env: new Map(),
    cwd: "/",
    user: "",
    platform: origin.kind === "scratch" ? build.targetPlatform : platform,
    image: origin.kind === "scratch" ? emptyImage(build.targetPlatform) : image,
    historyVertices: image.history.map((): Digest | undefined => undefined),
    args: [],
    last: {},
    workdirSet: false,
    stepsNamed: 0,
  };
  const rooted =
    origin.kind === "local" || origin.kind === "remote" || (origin.kind === "image" && !origin.empty);
  return rooted ? { ...start, rootPlatform: platform } : start;
}

/** Takes over what the image configures: PATH is always set, the working directory and user are entered. */
function enterImage(state: StageState): StageState {
  const env = state.image.config.Env ?? [];
  const complete = env.some((line) => line.startsWith("PATH=")) || state.platform.os === "windows";
  let next = complete ? state : withConfig(state, { Env: [...env, defaultPath] });
  next = withVariables(next, (next.image.config.Env ?? []).map(splitVariable));
  const directory = next.image.config.WorkingDir;
  if (directory) next = enterDirectory(next, absolutePath(directory, directory, false));
  const user = next.image.config.User;
  return user ? { ...next, user } : next;
}

function splitVariable(line: string): { key: string; value: string } {
  const equals = line.indexOf("=");
  return equals < 0
    ? { key: line, value: "" }
    : { key: line.slice(0, equals), value: line.slice(equals + 1) };
}
