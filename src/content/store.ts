import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  createReadStream,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import {
  BuildError,
  type Bytes,
  type Descriptor,
  type Digest,
  defined,
  digestOf,
  fromHex,
  hexOf,
  namesIn,
  verified,
  writeFully,
} from "../core/index.ts";
import type { Blob, ContentStore } from "./types.ts";

type Expected = Partial<Pick<Descriptor, "digest" | "size">>;

const readLimit = 4 * 1024 * 1024;

/** Opens the blobs of the store at `root`. Touches nothing; directories are made by the first write. */
export function openContentStore(root: string): ContentStore {
  const directory = join(root, "blobs", "sha256");
  const ingesting = join(root, "ingest");
  const path = (digest: Digest) => join(directory, hexOf(digest));
  const unsynced = new Set<string>();
  let prepared = false;

  function prepare(): void {
    if (prepared) return;
    for (const wanted of [directory, ingesting]) mkdirSync(wanted, { recursive: true, mode: 0o700 });
    const marker = join(root, "oci-layout");
    if (statSync(marker, { throwIfNoEntry: false }) === undefined)
      writeFileSync(marker, '{"imageLayoutVersion":"1.0.0"}');
    prepared = true;
  }

  function temporary(): string {
    prepare();
    return join(ingesting, randomBytes(16).toString("hex"));
  }

  function adopt(file: string, blob: Blob): void {
    const target = path(blob.digest);
    if (isThere(target, blob.size)) rmSync(file, { force: true });
    else {
      prepare();
      renameSync(file, target);
      unsynced.add(target);
    }
  }

  async function ingest(data: Bytes, expected: Expected = {}, signal?: AbortSignal): Promise<Blob> {
    const file = temporary();
    try {
      const blob = await writeHashed(file, data, expected, signal);
      adopt(file, blob);
      return blob;
    } catch (error) {
      rmSync(file, { force: true });
      throw error;
    }
  }

  return {
    root,
    path,
    stat(digest) {
      const found = statSync(path(digest), { throwIfNoEntry: false });
      return found === undefined ? undefined : { size: found.size };
    },
    open: (blob, signal) => verified(stream(path(blob.digest), blob.digest, signal), blob),
    read: (digest, limit = readLimit) => readVerified(path(digest), digest, limit),
    ingest,
    async ingestBytes(bytes, expected = {}) {
      const blob = { digest: digestOf(bytes), size: bytes.length };
      checkExpected(blob, expected);
      if (isThere(path(blob.digest), blob.size)) return blob;
      const file = temporary();
      writeFileSync(file, bytes, { mode: 0o600 });
      adopt(file, blob);
      return blob;
    },
    temporary,
    adopt,
    async sync() {
      const files = [...unsynced];
      unsynced.clear();
      for (const file of files) await syncFile(file);
      if (files.length > 0) await syncFile(directory);
    },
    *list() {
      for (const name of namesIn(directory)) if (/^[0-9a-f]{64}$/.test(name)) yield fromHex(name);
    },
    remove: (digest) => rmSync(path(digest), { force: true }),
  };
}

/**
 * Whether the blob is there with its size (a file that a power failure cut short is written anew). It counts as used now,
 * so that a collection which decides at this moment lets it be.
 */
function isThere(file: string, size: number): boolean {
  if (statSync(file, { throwIfNoEntry: false })?.size !== size) return false;
  try {
    const now = Date.now() / 1000;
    utimesSync(file, now, now);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ENOENT";
  }
}

async function writeHashed(
  file: string,
  data: Bytes,
  expected: Expected,
  signal: AbortSignal | undefined,
): Promise<Blob> {
  const hash = createHash("sha256");
  const descriptor = openSync(file, "wx", 0o600);
  let size = 0;
  try {
    for await (const chunk of data) {
      signal?.throwIfAborted();
      size += chunk.length;
      if (expected.size !== undefined && size > expected.size) break;
      hash.update(chunk);
      writeFully(descriptor, chunk);
    }
  } finally {
    closeSync(descriptor);
  }
  const blob = { digest: fromHex(hash.digest("hex")), size };
  checkExpected(blob, expected);
  return blob;
}

function checkExpected(blob: Blob, expected: Expected): void {
  const name = expected.digest ?? "content";
  if (expected.size !== undefined && blob.size > expected.size)
    throw new BuildError("data-loss", `${name}: more than ${expected.size} bytes`);
  if (expected.size !== undefined && blob.size !== expected.size)
    throw new BuildError("data-loss", `${name}: ${blob.size} bytes instead of ${expected.size}`);
  if (expected.digest !== undefined && blob.digest !== expected.digest)
    throw new BuildError("data-loss", `content has digest ${blob.digest} instead of ${expected.digest}`);
}

async function* stream(file: string, digest: Digest, signal: AbortSignal | undefined): Bytes {
  const options = { highWaterMark: 256 * 1024, ...defined({ signal }) };
  try {
    yield* createReadStream(file, options);
  } catch (error) {
    throw isMissing(error) ? missing(digest, error) : error;
  }
}

function readVerified(file: string, digest: Digest, limit: number): Buffer {
  let bytes: Buffer;
  try {
    const size = statSync(file).size;
    if (size > limit)
      throw new BuildError(
        "resource-exhausted",
        `${digest} has ${size} bytes; at most ${limit} are read at once`,
      );
    bytes = readFileSync(file);
  } catch (error) {
    throw isMissing(error) ? missing(digest, error) : error;
  }
  const actual = digestOf(bytes);
  if (actual !== digest)
    throw new BuildError("data-loss", `blob ${digest} is damaged: its content has digest ${actual}`, {
      hint: "`stagewright fsck --repair` removes damaged content, so that it is made or pulled again",
    });
  return bytes;
}

function missing(digest: Digest, cause: unknown): BuildError {
  return new BuildError("not-found", `blob ${digest} is not in the store`, { cause });
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

async function syncFile(file: string): Promise<void> {
  const { open } = await import("node:fs/promises"); // takes long to load, and only new content is flushed
  try {
    const handle = await open(file, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
