import { mkdirSync, readdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { type FileKeyStore, openKeyStore } from "../cache/index.ts";
import { type ContentStore, openContentStore } from "../content/index.ts";
import { BuildError, makeDirectories, replaceFile, toBuildError } from "../core/index.ts";
import { type LayerStore, openLayerStore } from "../layer/index.ts";
import { type NameStore, openNameStore } from "../names/index.ts";

/** Everything that lies under one root. */
export interface Store {
  readonly root: string;
  readonly content: ContentStore;
  readonly layers: LayerStore;
  readonly names: NameStore;
  readonly cache: FileKeyStore;
}

export interface StoreOptions {
  /** `--root`. */
  readonly root?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Format of the store that this version writes. */
const currentFormat = 1;

/**
 * Where the store is: `--root`, else STAGEWRIGHT_ROOT, else /var/lib/stagewright for root, else the XDG data directory.
 * Absolute.
 */
export function storeRoot({ root, env = process.env }: StoreOptions = {}): string {
  const given = root || env.STAGEWRIGHT_ROOT;
  if (given) return resolve(given);
  if (process.geteuid?.() === 0) return "/var/lib/stagewright";
  const data = env.XDG_DATA_HOME;
  const home = env.HOME || homedir();
  return join(data && isAbsolute(data) ? data : join(home, ".local", "share"), "stagewright");
}

/**
 * Opens the store, making its root when it is missing. A store of a newer format is refused, one of an older format is set
 * aside under `format-<n>`, and a directory that holds something else is not touched.
 */
export function openStore(options: StoreOptions = {}): Store {
  const root = storeRoot(options);
  prepareRoot(root);
  const content = openContentStore(root);
  return {
    root,
    content,
    layers: openLayerStore(content),
    names: openNameStore(root),
    cache: openKeyStore(root),
  };
}

function prepareRoot(root: string): void {
  try {
    const format = readFormat(root);
    if (format === undefined) createStore(root);
    else if (format > currentFormat) throw newerFormat(root, format);
    else if (format < currentFormat) setAside(root, format);
  } catch (error) {
    if (error instanceof BuildError) throw error;
    const { code, message } = toBuildError(error);
    throw new BuildError(
      code === "internal" ? "failed-precondition" : code,
      `the store at ${root} cannot be used: ${message}`,
      {
        hint: "choose another place with --root or STAGEWRIGHT_ROOT",
        cause: error,
      },
    );
  }
}

function readFormat(root: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(join(root, "format"), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR")
      throw new BuildError("failed-precondition", `${root} is not a directory`);
    throw error;
  }
  if (/^\d{1,6}\n?$/.test(text)) return Number(text);
  throw new BuildError("data-loss", `${join(root, "format")} does not hold a format number`, {
    hint: "if this is a store of stagewright, write 1 into that file and run `stagewright fsck`",
  });
}

function createStore(root: string): void {
  makeDirectories(root, 0o700);
  // Another process may be at the same point: its format file, finished or not, is no stranger.
  const strangers = readdirSync(root).filter((name) => !name.startsWith("format") && name !== "lost+found");
  if (strangers.length > 0 && readFormat(root) === undefined)
    throw new BuildError("failed-precondition", `${root} is not empty and is not a store of stagewright`, {
      hint: "give --root an empty or new directory",
    });
  writeFormat(root);
}

function writeFormat(root: string): void {
  replaceFile(join(root, "format"), `${currentFormat}\n`, { mode: 0o600 });
}

function newerFormat(root: string, format: number): BuildError {
  return new BuildError(
    "failed-precondition",
    `the store at ${root} has format ${format}; this version of stagewright knows ${currentFormat}`,
    { hint: "use the newer stagewright that made it, or another store with --root" },
  );
}

function setAside(root: string, format: number): void {
  const aside = join(root, `format-${format}`);
  mkdirSync(aside, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(root))
    if (!name.startsWith("format-") && statSync(join(root, name), { throwIfNoEntry: false }) !== undefined)
      renameSync(join(root, name), join(aside, name));
  writeFormat(root);
}
