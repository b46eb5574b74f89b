import type { ContentStore } from "../content/index.ts";
import { type Digest, familiarRepository, parseReference } from "../core/index.ts";
import type { LayerStore } from "../layer/index.ts";
import type { ImageRecord } from "../names/index.ts";
import { imageSize } from "./inspect.ts";
import { readImage } from "./read.ts";

/** A row of `docker images`. */
export interface ImageRow {
  /** `undefined` where Docker prints `<none>`. */
  readonly repository: string | undefined;
  readonly tag: string | undefined;
  /** Digest of the index or manifest that the name means. */
  readonly digest: Digest;
  readonly id: Digest;
  /** Created time of the configuration, RFC 3339. */
  readonly created: string | undefined;
  /** Bytes. */
  readonly size: number;
  /** Why the image cannot be used; `fsck` says more. */
  readonly problem?: string;
}

/** Images as they are listed, the newest first. A damaged image is listed with its problem. */
export function imageRows(
  records: readonly ImageRecord[],
  stores: { readonly content: ContentStore; readonly layers: LayerStore },
): readonly ImageRow[] {
  const rows = records.map((record) => {
    const reference = record.name === undefined ? undefined : parseReference(record.name);
    const named = {
      repository: reference === undefined ? undefined : familiarRepository(reference),
      tag: reference?.tag,
      digest: record.target.digest,
      id: record.id,
    };
    try {
      const image = readImage(stores.content, record.manifest);
      return { ...named, created: image.config.created, size: imageSize(image, stores) };
    } catch (error) {
      return { ...named, created: undefined, size: 0, problem: (error as Error).message };
    }
  });
  const time = (row: ImageRow) => Date.parse(row.created ?? "") || 0;
  return rows.sort((a, b) => time(b) - time(a));
}
