import { BuildError, defined, type Platform } from "../core/index.ts";
import { type BuildPlan, planDockerfile } from "../frontend/index.ts";
import { openContext, readDockerfile } from "./context.ts";
import { readNamedContexts } from "./named-contexts.ts";
import type { BuildOptions } from "./options.ts";

/** What a plan needs to know of a build. */
export interface PlanOptions
  extends Pick<BuildOptions, "context" | "file" | "cwd" | "target" | "buildArgs" | "buildContexts"> {
  /** One platform: stages may differ between them. */
  readonly platform?: Platform;
}

/** Which stages and steps a build would run, which it would skip, and why. Touches nothing but the Dockerfile. */
export function plan(options: PlanOptions): BuildPlan {
  const cwd = options.cwd ?? process.cwd();
  for (const place of [options.context, options.file ?? ""])
    if (place === "-" || /^[a-z]+:\/\/|^git@/.test(place))
      throw new BuildError(
        "unimplemented",
        `a plan is made of a directory of this machine, not of ${place}`,
        {
          hint: "`stagewright build --call targets` lists the stages of every kind of context",
        },
      );
  const context = openContext(options.context, options.file, cwd);
  const { target, buildArgs, platform } = options;
  return planDockerfile(readDockerfile(context), {
    file: context.dockerfileName,
    namedContexts: readNamedContexts(options.buildContexts ?? {}, cwd).byName,
    ...defined({ target, buildArgs, platform }),
  });
}
