import type { ContentStore } from "../content/index.ts";
import { type Descriptor, type Digest, isDigest } from "../core/index.ts";
import { isIndex, parseConfig, parseManifestOrIndex } from "../image/index.ts";

/** What an image needs of the store. */
export interface ImageContents {
  /** Blobs that are here, layers' tars included. */
  readonly blobs: ReadonlySet<Digest>;
  readonly diffIds: ReadonlySet<Digest>;
  /** What should be here and is not, or cannot be read; for people. */
  readonly problems: readonly string[];
}

/**
 * Follows an index or manifest to everything below it. Of an index, only one complete manifest has to be here.
 * Never throws for damage: what can be followed is followed, the rest is told.
 */
export function contentsOf(content: ContentStore, target: Descriptor): ImageContents {
  const blobs = new Set<Digest>();
  const diffIds = new Set<Digest>();
  const problems: string[] = [];

  function follow(digest: Digest, depth: number): void {
    if (depth > 4 || blobs.has(digest)) return;
    const parsed = attempt(() => parseManifestOrIndex(content.read(digest), digest));
    if (content.stat(digest) !== undefined) blobs.add(digest);
    if (parsed === undefined) return;
    if (isIndex(parsed)) followIndex(parsed.manifests, digest, depth);
    else {
      for (const layer of parsed.layers)
        if (content.stat(layer.digest) !== undefined) blobs.add(layer.digest);
      followConfig(
        parsed.config.digest,
        parsed.layers.map(({ digest }) => digest),
      );
    }
  }

  function followIndex(manifests: readonly Descriptor[], digest: Digest, depth: number): void {
    const here = manifests.filter((child) => content.stat(child.digest) !== undefined);
    if (here.length === 0) problems.push(`index ${digest}: none of its manifests is here`);
    for (const child of here) follow(child.digest, depth + 1);
  }

  function followConfig(digest: Digest, layers: readonly Digest[]): void {
    const raw = attempt(() => content.read(digest));
    if (raw === undefined) return;
    blobs.add(digest);
    // Artifacts have a configuration of another kind, and no layers in our sense.
    const config = isImageConfig(raw) ? attempt(() => parseConfig(raw, digest)) : undefined;
    config?.rootfs.diff_ids.forEach((diffId, i) => {
      diffIds.add(diffId);
      if (content.stat(diffId) !== undefined) blobs.add(diffId);
      else if (layers[i] === undefined || content.stat(layers[i]) === undefined)
        problems.push(`layer ${diffId} is missing`);
    });
  }

  function attempt<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      problems.push((error as Error).message);
      return undefined;
    }
  }

  follow(target.digest, 0);
  return { blobs, diffIds, problems };
}

function isImageConfig(raw: Buffer): boolean {
  return raw.includes('"rootfs"');
}

/** Layers and blobs that a JSON value mentions anywhere: how cache records name what they need. */
export function mentionedIn(value: unknown): { readonly layers: Set<string>; readonly blobs: Set<Digest> } {
  const layers = new Set<string>();
  const blobs = new Set<Digest>();
  // Without recursion: how deep a blob of foreign JSON is must not matter.
  const left: unknown[] = [value];
  while (left.length > 0) {
    const part = left.pop();
    if (typeof part === "string") {
      if (/^[0-9a-f]{32}$/.test(part)) layers.add(part);
      else if (isDigest(part)) blobs.add(part);
    } else if (typeof part === "object" && part !== null)
      for (const inner of Object.values(part)) left.push(inner);
  }
  return { layers, blobs };
}
