import { rmSync } from "node:fs";
import type { ContentStore } from "../content/index.ts";
import {
  BuildError,
  type CompressionAlgorithm,
  compressFile,
  type Descriptor,
  type Digest,
  defined,
} from "../core/index.ts";
import type { LayerFiles } from "./layer-files.ts";

type Blob = Pick<Descriptor, "digest" | "size">;
type CompressionKind = CompressionAlgorithm | `${CompressionAlgorithm}-${number}`;

interface Compression {
  readonly algorithm: CompressionAlgorithm;
  readonly kind: CompressionKind;
  readonly signal?: AbortSignal | undefined;
  readonly level?: number | undefined;
}

/** Under which name the result of a compression is remembered. */
export function compressionKind(algorithm: CompressionAlgorithm, level?: number): CompressionKind {
  return level === undefined ? algorithm : `${algorithm}-${level}`;
}

/** What an earlier compression of a layer's tar made, when that is still there. */
export function compressedBefore(
  diffId: Digest,
  kind: CompressionKind,
  content: ContentStore,
  files: LayerFiles,
): Blob | undefined {
  const memo = files.memo(diffId, kind);
  const known = memo === undefined ? undefined : (JSON.parse(memo) as Blob);
  return known !== undefined && content.stat(known.digest)?.size === known.size ? known : undefined;
}

/** Compresses a layer's tar into a blob of the store, and remembers it. Throws `not-found` without the tar. */
export async function compressBlob(
  diffId: Digest,
  { algorithm, kind, signal, level }: Compression,
  content: ContentStore,
  files: LayerFiles,
): Promise<Blob> {
  if (content.stat(diffId) === undefined)
    throw new BuildError("not-found", `layer content ${diffId} is not in the store`);
  const file = content.temporary();
  try {
    const options = { signal, ...defined({ level }) };
    const blob = await compressFile(content.path(diffId), file, algorithm, options);
    content.adopt(file, blob);
    files.remember(diffId, kind, JSON.stringify({ digest: blob.digest, size: blob.size }));
    return blob;
  } finally {
    rmSync(file, { force: true });
  }
}
