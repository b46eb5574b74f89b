import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { openContentStore } from "../../content/index.ts";
import { type NewEntry, openLayerStore } from "../index.ts";
import { openLayerWriter } from "../tar/index.ts";

export const isRoot = process.getuid?.() === 0;

export const needsRoot = { skip: isRoot ? false : "needs root" };

/** Where a test puts its stores; removed at the end. */
const base = fs.mkdtempSync(join(fs.existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "layer-store-"));

after(() => fs.rmSync(base, { recursive: true, force: true }));

let count = 0;

export const fresh = (name: string) => join(base, `${name}-${count++}`);

export function openStore() {
  const root = fresh("store");
  fs.mkdirSync(root);
  const content = openContentStore(root);
  return { root, content, layers: openLayerStore(content) };
}

export type Store = ReturnType<typeof openStore>;

/** A value of `security.capability`. */
export const capability = Buffer.from("0100000200040000000000000000000000000000", "hex");

/** An entry of a layer; `directory` is another. */
export const file = (path: string, more: Partial<NewEntry> = {}): NewEntry => ({
  path,
  type: "file",
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtime: 1000,
  ...more,
});

export const directory = (path: string, more: Partial<NewEntry> = {}) =>
  file(path, { type: "directory", mode: 0o755, ...more });

export const bytes = (text: string) => ({ kind: "bytes", bytes: Buffer.from(text) }) as const;

/** A layer from what `fill` writes. */
export function layer(
  store: Store,
  fill: (writer: ReturnType<typeof openLayerWriter>) => void,
): Promise<string> {
  const writer = openLayerWriter({ file: store.content.temporary(), digests: true });
  fill(writer);
  return store.layers.adoptPacked(writer.finish());
}

export async function ingest(store: Store, data: Uint8Array) {
  return store.content.ingestBytes(data);
}
