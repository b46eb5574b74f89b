import { basename, join, resolve } from "node:path";
import { BuildError, defined, formatReference, parseReference } from "../core/index.ts";
import type { Stage, StageGraph } from "../dockerfile/index.ts";
import {
  type Bridge,
  type FrontendOptions,
  type LintResult,
  lintDockerfile,
  listTargets,
  type Outline,
  outlineDockerfile,
  type TargetList,
} from "../frontend/index.ts";
import { bridgeOf, frontendOptions } from "./build.ts";
import { isDirectory, openContext, readDockerfile } from "./context.ts";
import { type Definition, loadDefinition } from "./definition.ts";
import { openEngine } from "./engine.ts";
import { lend } from "./lent.ts";
import { readNamedContexts, tarOpener } from "./named-contexts.ts";
import type { BuildOptions } from "./options.ts";
import { openSolver } from "./solve.ts";

/** What a call needs of a build. */
export type CallOptions = Pick<
  BuildOptions,
  | "context"
  | "file"
  | "cwd"
  | "stdin"
  | "secrets"
  | "ssh"
  | "target"
  | "buildArgs"
  | "buildContexts"
  | "platforms"
  | "pull"
  | "root"
  | "signal"
  | "onEvent"
> & {
  /** No registry is asked. What only the configuration of a base that is not here could tell is then left out. */
  readonly offline?: boolean;
};

/** The Dockerfile that a call was about. */
export interface CalledFile {
  /** Its name in its directory. */
  readonly name: string;
  /** The path that the user knows. */
  readonly shown: string;
  readonly content: Buffer;
}

/** Findings of the checks. */
export interface CheckResult extends LintResult {
  readonly file: CalledFile;
  /** Base images that are not in the local store, when no registry was asked. */
  readonly unknownBases: readonly string[];
}

/** Checks a Dockerfile as `build --check` does: configurations of base images are looked up, nothing is built. */
export function checkBuild(options: CallOptions): Promise<CheckResult> {
  return withDefinition(options, async (file, frontend, bridge) => {
    if (!options.offline)
      return { ...(await lintDockerfile(file.content, frontend, bridge)), file, unknownBases: [] };
    const unknown = new Set<string>();
    const result = await lintDockerfile(file.content, frontend, forgivingBridge(bridge, unknown));
    return { ...withoutGuesses(result, unknown), file, unknownBases: [...unknown] };
  });
}

/** What the target can be given, as `build --call outline` prints it. */
export function outlineBuild(options: CallOptions): Promise<Outline> {
  return withDefinition(options, (file, frontend, bridge) =>
    outlineDockerfile(file.content, frontend, bridge),
  );
}

/** The stages of a Dockerfile, as `build --call targets` prints them. */
export function targetsOfBuild(options: CallOptions): Promise<TargetList> {
  return withDefinition(options, async (file) => listTargets(file.content, file.name));
}

/** An image that is not found counts as one that says nothing. */
function forgivingBridge(bridge: Bridge, unknown: Set<string>): Bridge {
  return {
    async resolveImage(ref, request) {
      try {
        return await bridge.resolveImage(ref, request);
      } catch (error) {
        if (!(error instanceof BuildError) || error.code !== "not-found") throw error;
        unknown.add(ref);
        const { os, architecture } = request.platform;
        const config = {
          os,
          architecture,
          config: {},
          rootfs: { type: "layers", diff_ids: [] },
          history: [],
        };
        return { ref, config: Buffer.from(JSON.stringify(config)) };
      }
    },
  };
}

/** Leaves out what would be said of variables that an unknown base may define. */
function withoutGuesses(result: LintResult, unknown: ReadonlySet<string>): LintResult {
  const { converted, warnings } = result;
  if (unknown.size === 0) return result;
  const stages = converted?.graph.stages ?? [];
  const stageAt = (line: number) => stages.findLast(({ from }) => from.range.start.line <= line);
  const isGuess = ({ rule, ranges }: (typeof warnings)[number]) => {
    if (rule !== "UndefinedVar") return false;
    const stage = stageAt(ranges[0]?.start.line ?? 0);
    return (
      converted === undefined || (stage !== undefined && isUnknown(baseOf(stage, converted.graph), unknown))
    );
  };
  return { ...result, warnings: warnings.filter((warning) => !isGuess(warning)) };
}

/** What the chain of stages that the stage is built on starts from. */
function baseOf(stage: Stage, graph: StageGraph): string {
  let root = stage;
  while (root.base.kind === "stage" && root.replacedBy === undefined) root = graph.stages[root.base.stage]!;
  return root.baseName;
}

function isUnknown(name: string, unknown: ReadonlySet<string>): boolean {
  return name !== "scratch" && unknown.has(formatReference(parseReference(name)));
}

/** Whether a stage is known to inherit no ENTRYPOINT and to have none. */
export function hasNoEntrypoint({ converted, unknownBases }: CheckResult, stage: number): boolean {
  const found = converted?.graph.stages[stage];
  const state = converted?.states.get(stage);
  if (converted === undefined || found === undefined || state === undefined) return false;
  if (isUnknown(baseOf(found, converted.graph), new Set(unknownBases))) return false;
  return (state.image.config.Entrypoint ?? []).length === 0;
}

async function withDefinition<T>(
  options: CallOptions,
  call: (file: CalledFile, frontend: FrontendOptions, bridge: Bridge) => Promise<T>,
): Promise<T> {
  const emit = options.onEvent ?? (() => undefined);
  const cwd = options.cwd ?? process.cwd();
  const engine = openEngine({
    ...defined({ root: options.root, pull: options.pull }),
    ...(options.offline ? { offline: true } : {}),
  });
  try {
    const signal = options.signal ?? new AbortController().signal;
    const named = readNamedContexts(options.buildContexts ?? {}, cwd, tarOpener(engine, signal));
    const session = await lend(options);
    const solver = openSolver(engine, [], named.lent, options, { signal, emit, session });
    const definition = await loadDefinition(options, { engine, solver, emit, signal });
    const file = calledFile(definition, options);
    // Of several platforms the first one answers, as in BuildKit.
    const [platform] = options.platforms ?? [];
    const frontend = frontendOptions(options, definition, named);
    return await call(
      file,
      { ...frontend, ...defined({ platform }) },
      bridgeOf(engine, options, emit, signal),
    );
  } finally {
    engine.close();
  }
}

function calledFile({ name: path, dockerfile: content }: Definition, options: CallOptions): CalledFile {
  const name = basename(path);
  const isOnDisk = isDirectory(resolve(options.cwd ?? process.cwd(), options.context));
  return { name, shown: options.file ?? (isOnDisk ? join(options.context, name) : name), content };
}

/** The Dockerfile of a context directory, and the directory, without anything else of a build. */
export function dockerfileOf(
  options: Pick<CallOptions, "context" | "file" | "cwd">,
): CalledFile & { readonly root: string } {
  const context = openContext(options.context, options.file, options.cwd ?? process.cwd());
  const name = basename(context.dockerfilePath);
  const shown = options.file ?? join(options.context, name);
  return { name, shown, content: readDockerfile(context), root: context.root };
}
