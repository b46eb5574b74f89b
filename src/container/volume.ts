import { realpathSync, statSync } from "node:fs";
import { normalize } from "node:path";
import { BuildError, defined, makeDirectories, parseSize } from "../core/index.ts";

/** A directory or file of the host that a container sees. */
export interface Volume {
  /** Absolute. */
  readonly source: string;
  /** Absolute, inside the container. */
  readonly target: string;
  readonly readonly: boolean;
}

/** A filesystem in memory, empty whenever the container starts. */
export interface Tmpfs {
  /** Absolute, inside the container. */
  readonly target: string;
  readonly readonly?: boolean;
  /** Half of the machine's memory when left out. */
  readonly sizeBytes?: number;
}

/** Parses `HOST:CONTAINER[:ro|rw]`, as `docker run -v` takes it. Throws `invalid-argument`. */
export function parseVolume(text: string): Volume {
  const [source = "", target = "", mode = "rw", ...rest] = text.split(":");
  const fail = (problem: string): never => {
    throw new BuildError("invalid-argument", `invalid volume ${JSON.stringify(text)}: ${problem}`, {
      hint: "a volume reads like /host/directory:/container/directory or /host/file:/container/file:ro",
    });
  };
  if (target === "")
    fail("it needs a path on the host and one in the container (volumes with a name are not supported)");
  if (!source.startsWith("/"))
    fail("the path on the host must be absolute (volumes with a name are not supported)");
  if (!target.startsWith("/")) fail("the path in the container must be absolute");
  if (normalize(target) === "/") fail("the container's root cannot be replaced");
  if (rest.length > 0 || (mode !== "ro" && mode !== "rw")) fail("the mode is ro or rw");
  return { source, target: normalize(target), readonly: mode === "ro" };
}

/**
 * Parses `DIR[:OPTIONS]`, as `docker run --tmpfs` takes it; of the options only `size`, `ro` and `rw` change anything.
 * Throws `invalid-argument`.
 */
export function parseTmpfs(text: string): Tmpfs {
  const [target = "", options = ""] = text.split(/:(.*)/s);
  const fail = (problem: string): never => {
    throw new BuildError("invalid-argument", `invalid tmpfs ${JSON.stringify(text)}: ${problem}`, {
      hint: "a tmpfs reads like /directory or /directory:size=64m,ro",
    });
  };
  if (!target.startsWith("/")) fail("the path in the container must be absolute");
  if (normalize(target) === "/") fail("the container's root cannot be replaced");
  const words = options.split(",").filter((word) => word !== "" && !alwaysSo.has(word));
  const size = words.find((word) => word.startsWith("size="));
  const sizeBytes = size === undefined ? undefined : parseSize(size.slice("size=".length));
  if (size !== undefined && sizeBytes === undefined) fail(`invalid ${size}`);
  const stranger = words.find((word) => word !== size && word !== "ro" && word !== "rw");
  if (stranger !== undefined) fail(`the option ${stranger} is not supported`);
  return {
    target: normalize(target),
    readonly: words.includes("ro"),
    ...defined({ sizeBytes }),
  };
}

/** Options that every tmpfs has. */
const alwaysSo: ReadonlySet<string> = new Set(["nosuid"]);

/** Resolves links in the source; a directory that is missing is made, as Docker does. */
export function prepareVolume(volume: Volume): Volume {
  try {
    if (statSync(volume.source, { throwIfNoEntry: false }) === undefined) makeDirectories(volume.source);
    return { ...volume, source: realpathSync(volume.source) };
  } catch (error) {
    throw new BuildError(
      "failed-precondition",
      `cannot use ${volume.source} as a volume: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
}
