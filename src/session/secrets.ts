import { statSync } from "node:fs";
import { resolve } from "node:path";
import { BuildError, readFileWithinLater, toBuildError } from "../core/index.ts";
import type { SecretSource, Secrets } from "./types.ts";

/** BuildKit's limit, in bytes. */
const largest = 500 * 1024;

/** Secrets by id. Files are looked for at once, and read when the first step asks for them. */
export function openSecrets(sources: Readonly<Record<string, SecretSource>>, cwd: string): Secrets {
  const byId = new Map(Object.entries(sources));
  for (const [id, source] of byId) check(id, source, cwd);
  const read = new Map<string, Promise<Uint8Array>>();
  return {
    async get(id, signal) {
      const source = byId.get(id);
      if (source === undefined) return undefined;
      let content = read.get(id);
      if (content === undefined) {
        content = contentOf(id, source, cwd, signal);
        read.set(id, content);
      }
      return content;
    },
  };
}

function check(id: string, source: SecretSource, cwd: string): void {
  if (id === "") throw new BuildError("invalid-argument", "secret missing ID");
  if (typeof source === "function" || "env" in source) return;
  let stats: ReturnType<typeof statSync>;
  try {
    stats = statSync(resolve(cwd, source.file));
  } catch (error) {
    throw unreadable(source.file, error);
  }
  if (stats.isDirectory())
    throw new BuildError("invalid-argument", `cannot read the secret ${source.file}: it is a directory`);
  checkSize(id, stats.size);
}

async function contentOf(
  id: string,
  source: SecretSource,
  cwd: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const content = await read(source, cwd, signal);
  checkSize(id, content?.length ?? Number.POSITIVE_INFINITY);
  return content!;
}

/** Undefined for a file of more than the limit. */
async function read(
  source: SecretSource,
  cwd: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  if (typeof source === "function") {
    const content = await source();
    return typeof content === "string" ? Buffer.from(content) : content;
  }
  if ("env" in source) return Buffer.from(process.env[source.env] ?? "");
  return readFileWithinLater(resolve(cwd, source.file), largest, signal).catch((error: unknown) => {
    throw unreadable(source.file, error);
  });
}

function checkSize(id: string, size: number): void {
  if (size > largest)
    throw new BuildError("invalid-argument", `secret ${id} too big. max size ${largest / 1024}KiB`);
}

function unreadable(path: string, error: unknown): BuildError {
  const { code, message } = toBuildError(error);
  return new BuildError(code, `cannot read the secret ${path}: ${message}`, { cause: error });
}
