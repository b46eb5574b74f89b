import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  BuildError,
  type Digest,
  defined,
  digestOf,
  familiarReference,
  formatReference,
  hexOf,
  isDigest,
  namesIn,
  nearest,
  parseReference,
  type Reference,
  readIfPresent,
  replaceFile,
  repositoryOf,
} from "../core/index.ts";
import { lock } from "./locks.ts";
import type { ImageRecord, NameStore, NewImageRecord } from "./types.ts";

/** Opens the image names of the store at `root`. Touches nothing. */
export function openNameStore(root: string): NameStore {
  const directory = join(root, "names");
  const fileOf = (record: Pick<ImageRecord, "name" | "target">) =>
    join(
      directory,
      `${hexOf(record.name === undefined ? record.target.digest : digestOf(record.name))}.json`,
    );

  const alone = async <T>(work: () => T): Promise<T> => {
    const held = await lock(join(root, "locks", "names"));
    try {
      return work();
    } finally {
      held.release();
    }
  };

  function list(): readonly ImageRecord[] {
    const records = recordFiles(directory)
      .map(readRecord)
      .filter((record) => record !== undefined);
    const named = new Set(records.filter((one) => one.name !== undefined).map((one) => one.target.digest));
    return records
      .filter((record) => record.name !== undefined || !named.has(record.target.digest))
      .sort(byName);
  }

  const get = (name: string) => getByReference(parseReference(name));

  function getByReference(reference: Reference): ImageRecord | undefined {
    const name = formatReference(reference);
    const exact = readRecord(join(directory, `${hexOf(digestOf(name))}.json`));
    if (exact !== undefined || reference.digest === undefined) return exact;
    const repository = repositoryOf(reference);
    return list().find(
      (record) =>
        record.target.digest === reference.digest &&
        record.name !== undefined &&
        repositoryOf(parseReference(record.name)) === repository,
    );
  }

  function find(text: string): readonly ImageRecord[] {
    const reference = referenceOf(text);
    const named = reference === undefined ? undefined : getByReference(reference);
    if (named !== undefined) return [named];
    const prefix = /^(?:sha256:)?([0-9a-f]{1,64})$/.exec(text)?.[1];
    if (prefix === undefined) return [];
    return list().filter((record) =>
      [record.id, record.target.digest, record.manifest.digest].some((digest) =>
        hexOf(digest).startsWith(prefix),
      ),
    );
  }

  function keepUntagged(record: ImageRecord): void {
    const hasOtherName = list().some(
      (one) => one.name !== undefined && one.target.digest === record.target.digest,
    );
    if (hasOtherName) return;
    const { name: _, ...untagged } = record;
    writeRecord(fileOf(untagged), untagged);
  }

  return {
    list,
    get,
    find,
    resolve(text) {
      const found = find(text);
      const [first] = found;
      if (first === undefined) throw notFound(text, list());
      if (found.some((record) => record.id !== first.id))
        throw new BuildError("invalid-argument", `${JSON.stringify(text)} fits several images`, {
          hint: "give more digits of the image id, or a name",
        });
      return first;
    },
    async set(name, image) {
      const full = name === undefined ? undefined : formatReference(parseReference(name));
      const record = newRecord(full, image);
      const current = readRecord(fileOf(record));
      if (current !== undefined && isSame(current, record)) return current;
      return await alone(() => {
        const before = readRecord(fileOf(record));
        writeRecord(fileOf(record), record);
        if (full === undefined) return record;
        if (before !== undefined && before.target.digest !== record.target.digest) keepUntagged(before);
        rmSync(fileOf({ target: record.target }), { force: true });
        return record;
      });
    },
    setPushed: (name, target, pushed) =>
      alone(() => {
        const record = get(name);
        if (record?.target.digest === target && record.pushed !== pushed)
          writeRecord(fileOf(record), { ...record, pushed });
      }),
    remove: (record) =>
      alone(() => {
        const file = fileOf(record);
        const there = readRecord(file) !== undefined;
        rmSync(file, { force: true });
        return there;
      }),
    *damaged() {
      for (const file of recordFiles(directory)) {
        const record = readRecord(file);
        if (record === undefined || fileOf(record) !== file) yield file;
      }
    },
  };
}

function newRecord(name: string | undefined, image: NewImageRecord): ImageRecord {
  const { target, manifest, id } = image;
  return { ...defined({ name }), target, manifest, id, created: Date.now() };
}

function isSame(a: ImageRecord, b: ImageRecord): boolean {
  return a.name === b.name && a.target.digest === b.target.digest && a.manifest.digest === b.manifest.digest;
}

function byName(a: ImageRecord, b: ImageRecord): number {
  if (a.name === undefined || b.name === undefined) {
    if (a.name !== b.name) return a.name === undefined ? 1 : -1;
    return a.target.digest < b.target.digest ? -1 : 1;
  }
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

function referenceOf(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined; // an id, perhaps
  }
}

function notFound(text: string, records: readonly ImageRecord[]): BuildError {
  const names = records.flatMap(({ name }) =>
    name === undefined ? [] : [familiarReference(parseReference(name))],
  );
  const similar = nearest(text.includes(":") ? text : `${text}:latest`, names);
  return new BuildError("not-found", `no image ${JSON.stringify(text)} in the store`, {
    hint: similar === undefined ? "`stagewright images` lists what is there" : `did you mean ${similar}?`,
  });
}

function readRecord(file: string): ImageRecord | undefined {
  const text = readIfPresent(file);
  return text === undefined ? undefined : parseRecord(text);
}

function parseRecord(text: string): ImageRecord | undefined {
  try {
    const record = JSON.parse(text) as ImageRecord;
    const digests: (Digest | unknown)[] = [record.target.digest, record.manifest.digest, record.id];
    return digests.every(isDigest) && typeof record.created === "number" ? record : undefined;
  } catch {
    return undefined; // cut short by a power failure; fsck reports it
  }
}

function writeRecord(file: string, record: ImageRecord): void {
  mkdirSync(join(file, ".."), { recursive: true, mode: 0o700 });
  replaceFile(file, `${JSON.stringify(record)}\n`, { mode: 0o600, durable: true });
}

function recordFiles(directory: string): readonly string[] {
  return namesIn(directory)
    .filter((name) => name.endsWith(".json"))
    .map((name) => join(directory, name));
}
