import { closeSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { namesIn } from "../core/index.ts";
import { tryLock } from "../names/index.ts";
import { tryFlock } from "../sys/index.ts";
import { removeTree } from "./trash.ts";

/** Milliseconds; what is temporary and was not changed for this long belongs to a process that is dead. */
const staleAfter = 60 * 60 * 1000;

/** Something that a killed process left. */
export interface Leftover {
  readonly file: string;
  remove(): Promise<void>;
}

/** Where temporary files are made, and how they are called there; `*` is every directory. */
const temporary: readonly (readonly [directory: string, name: RegExp])[] = [
  ["ingest", /./],
  ["layers", /^tmp-/],
  ...["", "cache/records/*", "cache/aliases/*", "containers", "containers/*", "contexts", "layers/*"].map(
    (directory) => [directory, /\.tmp$/] as const,
  ),
  ["names", /\.tmp$/],
  ["remote/http", /\.tmp$/],
  ["remote/git", /\.new$/],
  ["remote/git/*/objects/pack", /^tmp_/],
];

const locks: typeof temporary = [
  ["locks", /./],
  ["remote/git", /\.lock$/],
];

/**
 * What killed processes left in the store: files and directories that were to get another name, and files of locks that nobody
 * holds. What came after `since`, when the oldest live lease began, may belong to its build and is spared.
 */
export function* leftovers(root: string, since: number): Generator<Leftover> {
  const before = Math.min(since, Date.now() - staleAfter);
  const isOld = (file: string) => {
    // By the change time: a directory that is being unpacked has the modification time that its archive says.
    const changed = statSync(file, { throwIfNoEntry: false })?.ctimeMs;
    return changed !== undefined && changed < before;
  };
  for (const file of matching(root, temporary))
    if (isOld(file)) yield { file, remove: () => removeTree(file) };
  for (const file of matching(root, locks))
    if (isOld(file) && isFree(file))
      // Whoever releases a lock removes its file, and none that somebody else has.
      yield { file, remove: async () => tryLock(file)?.release() };
}

function* matching(root: string, places: typeof temporary): Generator<string> {
  for (const [directory, name] of places)
    for (const place of directoriesAt(root, directory.split("/")))
      for (const found of namesIn(place)) if (name.test(found)) yield join(place, found);
}

function directoriesAt(base: string, [first, ...rest]: readonly string[]): readonly string[] {
  if (first === undefined) return [base];
  const next = first === "*" ? namesIn(base) : [first];
  return next.flatMap((name) => directoriesAt(join(base, name), rest));
}

function isFree(file: string): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch {
    return false; // released in between
  }
  try {
    return tryFlock(descriptor, "exclusive");
  } finally {
    closeSync(descriptor);
  }
}
