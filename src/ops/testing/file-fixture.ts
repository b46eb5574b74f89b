import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { openContentStore } from "../../content/index.ts";
import type { BytePath, Digest } from "../../core/index.ts";
import { openLayerStore } from "../../layer/index.ts";
import {
  type CopyAction,
  type FileAction,
  type FileActionBody,
  type FileOp,
  type MkdirAction,
  type MkfileAction,
  plainCopy,
} from "../../llb/index.ts";
import type { Rootfs, Snapshot } from "../../snapshot/index.ts";
import type { JobContext } from "../../solver/index.ts";
import { type LocalSourceOptions, localSource } from "../../source/index.ts";
import { type CachedLayer, type FileOpDependencies, fileOp } from "../file.ts";
import type { Ref } from "../ref.ts";

/** For tests: a directory for sources, and a store that keeps what file ops make. Disposed of at the end of the test. */
export interface Fixture extends Disposable {
  readonly directory: string;
  readonly dependencies: FileOpDependencies;
  readonly warnings: string[];
  readonly context: JobContext;
  /** Files of a context: text is a file, `{ link }` a symlink, `null` an empty directory. */
  tree(name: string, files: Readonly<Record<string, string | { link: string } | null>>): string;
  scan(directory: string, options?: Partial<LocalSourceOptions>): Promise<Ref>;
  run(op: FileOp, ...inputs: Ref[]): Promise<Ref>;
  rootfs(ref: Ref): Promise<Rootfs>;
  /** The topmost layer as GNU tar lists it. */
  list(ref: Ref): Promise<string[]>;
}

export function openFixture(): Fixture {
  const directory = mkdtempSync(join(tmpdir(), "file-op-"));
  const content = openContentStore(join(directory, "store"));
  const layers = openLayerStore(content);
  const cache = new Map<Digest, readonly CachedLayer[]>();
  const warnings: string[] = [];
  const dependencies: FileOpDependencies = {
    layers,
    content,
    layerCache: {
      get: async (key) => cache.get(key) ?? [],
      put: async (key, found) => void cache.set(key, found),
    },
  };
  const context: JobContext = {
    signal: new AbortController().signal,
    vertex: `sha256:${"0".repeat(64)}`,
    emit: (event) => void (event.kind === "warning" && warnings.push(event.short)),
  };
  const snapshotOf = (ref: Ref): Snapshot => (ref.kind === "snapshot" ? ref.snapshot : { layers: [] });
  return {
    directory,
    dependencies,
    warnings,
    context,
    tree(name, files) {
      const root = join(directory, name);
      mkdirSync(root, { recursive: true });
      for (const [path, content] of Object.entries(files)) writeEntry(join(root, path), content);
      return root;
    },
    async scan(root, options) {
      const memoDirectory = join(directory, "contexts");
      return {
        kind: "tree",
        tree: await localSource({ name: "context", directory: root, memoDirectory, ...options }),
      };
    },
    async run(op, ...inputs) {
      const [result] = await fileOp(op, dependencies).exec(inputs, context);
      return result!;
    },
    rootfs: (ref) => layers.rootfs(snapshotOf(ref)),
    async list(ref) {
      const { diffId } = await layers.tar(snapshotOf(ref).layers.at(-1)!);
      const file = content.path(diffId);
      const text = execFileSync("tar", ["--numeric-owner", "--full-time", "-tvf", file], {
        encoding: "utf8",
        env: { ...process.env, TZ: "UTC", LC_ALL: "C" },
      });
      return text.split("\n").filter(Boolean);
    },
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function writeEntry(path: string, content: string | { link: string } | null): void {
  mkdirSync(content === null ? path : dirname(path), { recursive: true });
  if (typeof content === "string") writeFileSync(path, content);
  else if (content !== null) symlinkSync(content.link, path);
}

/** What the Dockerfile frontend asks for in a `COPY`. */
export function copyAction(src: string, dest: string, changes: Partial<CopyAction> = {}): CopyAction {
  const asked = { followSymlink: true, dirCopyContents: true, allowWildcard: true, allowEmptyWildcard: true };
  return { ...plainCopy, src, dest, ...asked, ...changes };
}

/** A chain of actions on input 0 (or on nothing), sources from the last input; one output. */
export function chain(inputs: number, ...bodies: FileActionBody[]): FileOp {
  const actions: FileAction[] = bodies.map((action, i) => ({
    input: i === 0 ? (inputs === 2 ? 0 : -1) : inputs + i - 1,
    secondaryInput: action.kind === "copy" ? inputs - 1 : -1,
    output: i === bodies.length - 1 ? 0 : -1,
    action,
  }));
  return { kind: "file", actions };
}

/** `type mode uid:gid path[ -> target]` of everything in a root filesystem. */
export function listing(rootfs: Rootfs): string[] {
  return [...rootfs.walk("")]
    .filter(({ path }) => path !== "")
    .map(({ path, type, mode, uid, gid, linkname }) => {
      const link = linkname === "" ? "" : ` -> ${linkname}`;
      return `${type} ${mode.toString(8)} ${uid}:${gid} ${path}${link}`;
    });
}

export function readText(rootfs: Rootfs, path: BytePath): string {
  return rootfs.read(path).toString("utf8");
}

export const mkdirAction = (path: string, changes: Partial<MkdirAction> = {}): MkdirAction => ({
  kind: "mkdir",
  path,
  mode: 0o755,
  makeParents: true,
  timestamp: -1n,
  ...changes,
});

export const mkfileAction = (
  path: string,
  text: string,
  changes: Partial<MkfileAction> = {},
): MkfileAction => ({
  kind: "mkfile",
  path,
  mode: 0o644,
  data: Buffer.from(text),
  timestamp: -1n,
  ...changes,
});

export const nothing: Ref = { kind: "snapshot", snapshot: { layers: [] } };

/** A base image made by COPY of a tree to /. */
export async function baseOf(
  fixture: Fixture,
  name: string,
  files: Parameters<Fixture["tree"]>[1],
): Promise<Ref> {
  return fixture.run(chain(1, copyAction("/", "/")), await fixture.scan(fixture.tree(name, files)));
}

/** Listing of what the topmost layer has. */
export async function topOf(fixture: Fixture, ref: Ref): Promise<string[]> {
  assert.equal(ref.kind, "snapshot");
  const layers = ref.kind === "snapshot" ? ref.snapshot.layers.slice(-1) : [];
  return listing(await fixture.rootfs({ kind: "snapshot", snapshot: { layers } }));
}
