import { BuildError } from "../../core/index.ts";
import { dockerEndpoint } from "../../docker/index.ts";
import type { LocalEngine } from "./types.ts";

export type { Loaded, LoadOptions, LocalEngine } from "./types.ts";

/**
 * Finds the engine of this machine that `--load` brings images to: Docker, where `docker` would find it, else containerd.
 * Undefined when there is neither. Throws when there is one and it cannot be used.
 */
export async function findEngine(
  options: {
    readonly context?: string;
    readonly env?: NodeJS.ProcessEnv;
    readonly signal?: AbortSignal;
  } = {},
): Promise<LocalEngine | undefined> {
  const { context, env = process.env, signal } = options;
  const { dockerEngine } = await import("./docker.ts");
  const docker = await dockerEngine(dockerEndpoint(context, env), signal);
  if (docker !== undefined) return docker;
  const { containerdEngine } = await import("./containerd.ts");
  return containerdEngine(env);
}

/** The error where an engine was asked for, and there is none. */
export function noEngine(): BuildError {
  return new BuildError(
    "failed-precondition",
    "there is no Docker engine and no containerd to load the image into",
    {
      hint: "DOCKER_HOST or `docker context` say where an engine is; -o type=docker,dest=FILE writes an archive",
    },
  );
}
