import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openContentStore } from "../../content/index.ts";
import type { ImageDraft } from "../../image/index.ts";
import { openLayerStore } from "../../layer/index.ts";
import { openLayerWriter } from "../../layer/tar/index.ts";
import { openNameStore } from "../../names/index.ts";
import type { LayerId } from "../../snapshot/index.ts";
import type { ExportSource } from "../commit.ts";

/** A store of its own, and a directory beside it; `remove` takes both away. */
export function temporaryStore() {
  const base = mkdtempSync(join(tmpdir(), "stagewright-image-"));
  const root = join(base, "store");
  const content = openContentStore(root);
  return {
    base,
    root,
    content,
    layers: openLayerStore(content),
    names: openNameStore(root),
    path: (name: string) => join(base, name),
    remove: () => rmSync(base, { recursive: true, force: true }),
  };
}

type Stores = Pick<ReturnType<typeof temporaryStore>, "content" | "layers">;

/** What a test layer holds: text is a file, `undefined` a whiteout, objects say the rest. */
export type Tree = Readonly<
  Record<
    string,
    | string
    | undefined
    | { readonly mode: number; readonly uid?: number; readonly text?: string }
    | { readonly symlink: string }
    | { readonly hardlink: string }
  >
>;

/** Makes a layer; names that end with a slash are directories. */
export async function makeLayer({ content, layers }: Stores, tree: Tree): Promise<LayerId> {
  const writer = openLayerWriter({ file: content.temporary() });
  for (const [name, what] of Object.entries(tree)) {
    const path = name.replace(/\/$/, "");
    const common = { path, mode: 0o644, uid: 0, gid: 0, mtime: 1_700_000_000 };
    const file = (text: string) => ({ kind: "bytes" as const, bytes: Buffer.from(text) });
    if (what === undefined) writer.whiteout(path);
    else if (typeof what === "string") writer.add({ ...common, type: "file" }, file(what));
    else if ("symlink" in what)
      writer.add({ ...common, mode: 0o777, type: "symlink", linkname: what.symlink });
    else if ("hardlink" in what) writer.add({ ...common, type: "hardlink", linkname: what.hardlink });
    else if (name.endsWith("/"))
      writer.add({ ...common, mode: what.mode, uid: what.uid ?? 0, type: "directory" });
    else writer.add({ ...common, mode: what.mode, uid: what.uid ?? 0, type: "file" }, file(what.text ?? ""));
  }
  return await layers.adoptPacked(writer.finish());
}

/** Two layers: the upper one deletes, replaces and links. */
export async function twoLayers(stores: Stores): Promise<readonly LayerId[]> {
  const lower = await makeLayer(stores, {
    "bin/": { mode: 0o755 },
    "bin/tool": { mode: 0o4755, text: "#!/bin/sh\necho hello\n" },
    "etc/": { mode: 0o755 },
    "etc/gone": "deleted later",
    "etc/name": "old",
    "etc/twin": { hardlink: "etc/name" },
    "private/": { mode: 0o700, uid: 1000 },
    "private/key": { mode: 0o600, uid: 1000, text: "secret" },
  });
  const upper = await makeLayer(stores, {
    "etc/": { mode: 0o755 },
    "etc/gone": undefined,
    "etc/name": "new",
    "usr/": { mode: 0o755 },
    "usr/bin": { symlink: "../bin" },
    "usr/tool": { hardlink: "bin/tool" },
  });
  return [lower, upper];
}

/** A draft over these layers, as the frontend would hand it over. */
export function draftOf(layers: readonly LayerId[]): ImageDraft {
  return {
    snapshot: { layers },
    config: {
      architecture: "amd64",
      os: "linux",
      config: { Env: ["PATH=/bin", "A=<&>"], Cmd: ["tool"], Labels: { b: "2", a: "1" } },
      history: [
        { created_by: "COPY tool /bin # buildkit", comment: "buildkit.dockerfile.v0" },
        { created_by: "ENV A=<&>", comment: "buildkit.dockerfile.v0", empty_layer: true },
        { created_by: "RUN rm /etc/gone # buildkit", comment: "buildkit.dockerfile.v0" },
        { created_by: 'CMD ["tool"]', comment: "buildkit.dockerfile.v0", empty_layer: true },
      ].slice(0, layers.length === 2 ? 4 : 1),
    },
    created: [1_700_000_000_120, undefined, 1_700_000_001_000, undefined].slice(
      0,
      layers.length === 2 ? 4 : 1,
    ),
  };
}

/** Whether a program is installed here. */
export function has(program: string): boolean {
  try {
    execFileSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** A build's result for one platform, or an index of several made from the same draft. */
export function sourceOf(draft: ImageDraft, ...architectures: readonly string[]): ExportSource {
  const platforms = (architectures.length === 0 ? ["amd64"] : architectures).map((architecture) => {
    const config = { ...draft.config, architecture };
    return { platform: { os: "linux", architecture }, draft: { ...draft, config } };
  });
  return { platforms, index: architectures.length > 0 };
}
