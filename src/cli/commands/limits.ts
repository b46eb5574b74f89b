import { BuildError, parseSize } from "../../core/index.ts";

/** `--shm-size`, in bytes. */
export function sharedMemory(text: string): number {
  const size = parseSize(text);
  if (size !== undefined) return size;
  throw new BuildError("invalid-argument", `--shm-size: invalid size: '${text}'`, {
    hint: "bytes, or a number with k, m or g",
  });
}

interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

const limitNames = [
  ...["core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss"],
  ...["rtprio", "rttime", "sigpending", "stack"],
];

/** `--ulimit NAME=SOFT[:HARD]`, by name as docker passes them on; of several with one name the last counts. */
export function ulimitsOf(texts: readonly string[]): Ulimit[] {
  const byName = new Map(texts.map((text) => [ulimitOf(text).name, ulimitOf(text)]));
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function ulimitOf(text: string): Ulimit {
  const invalid = (message: string): never => {
    throw new BuildError("invalid-argument", message, { hint: "--ulimit NAME=SOFT[:HARD]" });
  };
  const [, name, limits] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || limits === undefined) return invalid(`invalid ulimit argument: ${text}`);
  if (!limitNames.includes(name)) return invalid(`invalid ulimit type: ${name}`);
  const numbers = limits.split(":");
  if (numbers.length > 2)
    return invalid(`too many limit value arguments - ${limits}, can only have up to two, \`soft[:hard]\``);
  const [soft, hard = soft] = numbers.map((number) =>
    /^-?\d+$/.test(number) ? Number(number) : invalid(`invalid ulimit argument: ${text}`),
  ) as [number, number?];
  if (hard >= 0 && (soft < 0 || soft > hard))
    return invalid(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  return { name, soft, hard };
}
