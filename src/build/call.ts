import { basename, join } from "node:path";
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
import { bridgeOf, frontendOptions, loadDefinition } from "./build.ts";
import { type BuildContext, openContext } from "./context.ts";
import { openEngine } from "./engine.ts";
import { readNamedContexts } from "./named-contexts.ts";
import type { BuildOptions } from "./options.ts";

/** What a call needs of a build. */
export type CallOptions = Pick<
  BuildOptions,
  | "context"
  | "file"
  | "cwd"
  | "target"
  | "buildArgs"
  | "buildContexts"
  | "platforms"
  | "pull"
  | "root"
  | "signal"
  | "onEvent"
>;

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
}

/** Checks a Dockerfile as `build --check` does: configurations of base images are looked up, nothing is built. */
export function checkBuild(options: CallOptions): Promise<CheckResult> {
  return withDefinition(options, async (file, frontend, bridge) => ({
    ...(await lintDockerfile(file.content, frontend, bridge)),
    file,
  }));
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

async function withDefinition<T>(
  options: CallOptions,
  call: (file: CalledFile, frontend: FrontendOptions, bridge: Bridge) => Promise<T>,
): Promise<T> {
  const emit = options.onEvent ?? (() => undefined);
  const cwd = options.cwd ?? process.cwd();
  const context = openContext(options.context, options.file, cwd);
  const { dockerfile, ignore } = await loadDefinition(context, emit);
  const named = readNamedContexts(options.buildContexts ?? {}, cwd);
  const engine = openEngine({
    ...(options.root === undefined ? {} : { root: options.root }),
    ...(options.pull === undefined ? {} : { pull: options.pull }),
  });
  try {
    const signal = options.signal ?? new AbortController().signal;
    const file = calledFile(context, options, dockerfile);
    // Of several platforms the first one answers, as in BuildKit.
    const [platform] = options.platforms ?? [];
    const frontend = frontendOptions(options, context, named, ignore);
    return await call(
      file,
      { ...frontend, ...(platform === undefined ? {} : { platform }) },
      bridgeOf(engine, options, emit, signal),
    );
  } finally {
    engine.close();
  }
}

function calledFile(context: BuildContext, options: CallOptions, content: Buffer): CalledFile {
  const name = basename(context.dockerfilePath);
  return { name, shown: options.file ?? join(options.context, name), content };
}
