import { closeSync, fstatSync, openSync, readFileSync, readSync, realpathSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { BuildError, createIgnoreMatcher, type IgnoreFile, readIgnoreFile } from "../core/index.ts";
import { maxFileSize } from "../dockerfile/index.ts";

/** Where a build takes its files from. */
export interface BuildContext {
  /** Absolute path of the context directory, without symlinks. */
  readonly root: string;
  /** The Dockerfile's name as messages show it. */
  readonly dockerfileName: string;
  /** Absolute path of the Dockerfile. */
  readonly dockerfilePath: string;
}

/**
 * Finds context and Dockerfile the way `docker build -f FILE PATH` does: `file` is relative to `cwd`, and
 * `PATH/Dockerfile` when it is left out. Throws `not-found` or `invalid-argument`.
 */
export function openContext(path: string, file: string | undefined, cwd: string): BuildContext {
  const root = directoryAt(resolve(cwd, path), path);
  const dockerfilePath = file === undefined ? defaultDockerfile(root) : resolve(cwd, file);
  return { root, dockerfileName: file === undefined ? basename(dockerfilePath) : file, dockerfilePath };
}

function directoryAt(path: string, shown: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined)
    throw new BuildError("not-found", `unable to prepare context: path ${JSON.stringify(shown)} not found`);
  if (!stats.isDirectory())
    throw new BuildError(
      "invalid-argument",
      `unable to prepare context: ${JSON.stringify(shown)} is not a directory`,
      {
        hint: "the argument is the context directory; name the Dockerfile with -f",
      },
    );
  return realpathSync(path);
}

/** `Dockerfile`, or `dockerfile` as BuildKit accepts too. */
function defaultDockerfile(root: string): string {
  const usual = join(root, "Dockerfile");
  if (statSync(usual, { throwIfNoEntry: false }) !== undefined) return usual;
  const lower = join(root, "dockerfile");
  return statSync(lower, { throwIfNoEntry: false }) === undefined ? usual : lower;
}

/** Reads the Dockerfile; throws with what to do when it is missing, no file, or too large. */
export function readDockerfile(context: BuildContext): Buffer {
  const { dockerfilePath: path, dockerfileName: name } = context;
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    throw new BuildError("not-found", `failed to read dockerfile: open ${name}: ${reasonOf(error)}`, {
      cause: error,
      hint: `there is no ${name} in ${context.root}; name the file with -f`,
    });
  }
  try {
    const stats = fstatSync(descriptor);
    if (stats.isDirectory())
      throw new BuildError("invalid-argument", `failed to read dockerfile: ${name} is a directory`);
    return readAtMost(descriptor, name);
  } finally {
    closeSync(descriptor);
  }
}

/** Whether something lies at this path that could be a context directory. */
export function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Reads to the end, also of pipes (`-f <(…)`), but never more than the limit. */
function readAtMost(descriptor: number, name: string): Buffer {
  const chunks: Buffer[] = [];
  let size = 0;
  for (;;) {
    const chunk = Buffer.allocUnsafe(64 * 1024);
    const count = readSync(descriptor, chunk);
    if (count === 0) return Buffer.concat(chunks, size);
    size += count;
    if (size > maxFileSize)
      throw new BuildError("invalid-argument", `${name} is larger than ${maxFileSize / 1024 / 1024} MiB`, {
        hint: "is it the file that was meant? Large content belongs into the build context",
      });
    chunks.push(chunk.subarray(0, count));
  }
}

/** `<Dockerfile>.dockerignore` beside the Dockerfile, else `.dockerignore` of the context. */
export function readIgnore(context: BuildContext): { size: number; file: IgnoreFile } | undefined {
  const candidates = [
    {
      path: `${context.dockerfilePath}.dockerignore`,
      name: `${basename(context.dockerfilePath)}.dockerignore`,
    },
    { path: join(context.root, ".dockerignore"), name: ".dockerignore" },
  ];
  for (const { path, name } of candidates) {
    try {
      const bytes = readFileSync(path);
      const file = readIgnoreFile(bytes, name);
      createIgnoreMatcher(file); // throws for a bad pattern; only here its line is known
      return { size: bytes.length, file };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return undefined;
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "no such file or directory";
  return code === "EACCES" ? "permission denied" : message;
}
