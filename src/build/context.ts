import { existsSync, readdirSync, realpathSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import {
  BuildError,
  createIgnoreMatcher,
  type IgnoreFile,
  nearest,
  readFileWithin,
  readIgnoreFile,
  toBuildError,
} from "../core/index.ts";
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
  let content: Buffer | undefined;
  try {
    content = readFileWithin(path, maxFileSize);
  } catch (error) {
    if (error instanceof BuildError)
      throw new BuildError(error.code, `failed to read dockerfile: ${name}: ${error.message}`);
    throw new BuildError("not-found", `failed to read dockerfile: open ${name}: ${reasonOf(error)}`, {
      cause: error,
      hint: missingHint(context),
    });
  }
  if (content !== undefined) return content;
  throw new BuildError("invalid-argument", `${name} is larger than ${maxFileSize / 1024 / 1024} MiB`, {
    hint: "is it the file that was meant? Large content belongs into the build context",
  });
}

/** Where it was looked for, and what may have been meant: a file of another name, or one inside the context. */
function missingHint({ root, dockerfileName: name, dockerfilePath: path }: BuildContext): string {
  if (path === join(root, name)) {
    const similar = readdirSync(root).filter((other) => isSimilar(other, name));
    if (similar.length === 0) return `there is no ${name} in ${root}; name the file with -f`;
    return `there is no ${name} in ${root}; did you mean -f ${similar.map((other) => join(root, other)).join(" or ")}?`;
  }
  const inside = resolve(root, name);
  if (!existsSync(inside)) return `there is no ${path}`;
  return `-f starts from the working directory, not from the context: did you mean -f ${inside}?`;
}

function isSimilar(other: string, name: string): boolean {
  return (
    !other.endsWith(".dockerignore") && (/dockerfile/i.test(other) || nearest(name, [other]) !== undefined)
  );
}

/** Whether something lies at this path that could be a context directory. */
export function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
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
    const bytes = readIgnoreBytes(path, name);
    if (bytes === undefined) continue;
    const file = readIgnoreFile(bytes, name);
    createIgnoreMatcher(file); // throws for a bad pattern; only here its line is known
    return { size: bytes.length, file };
  }
  return undefined;
}

/** The content of an ignore file; undefined where there is none. */
export function readIgnoreBytes(path: string, name: string): Buffer | undefined {
  try {
    const bytes = readFileWithin(path, maxFileSize);
    if (bytes !== undefined) return bytes;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    const { code, message } = toBuildError(error);
    throw new BuildError(code, `failed to read ${name}: ${message}`, { cause: error });
  }
  throw new BuildError("invalid-argument", `${name} is larger than ${maxFileSize / 1024 / 1024} MiB`);
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "no such file or directory";
  return code === "EACCES" ? "permission denied" : message;
}
