import { statSync } from "node:fs";
import { join } from "node:path";
import type { Blob, ContentStore } from "../../content/index.ts";
import { type Digest, digestOf } from "../../core/index.ts";
import { type LayerStore, openLayerStore } from "../../layer/index.ts";
import type { LayerId } from "../../snapshot/index.ts";

export interface Stores {
  readonly content: ContentStore;
  readonly layers: LayerStore;
}

/**
 * Runs `work` with stores that remember what it brought in, and takes that away when `work` fails. What somebody else has
 * used since (its time has changed) stays.
 */
export async function undoOnFailure<T>(
  { content, layers }: Stores,
  work: (stores: Stores) => Promise<T>,
): Promise<T> {
  const blobs = new Map<Digest, number | undefined>();
  const made = new Map<LayerId, number | undefined>();
  const timeOfLayer = (id: LayerId) => timeOf(join(content.root, "layers", id));
  const timeOfBlob = (digest: Digest) => timeOf(content.path(digest));
  const recording = recordBlobs(content, blobs);
  // A store of its own: the tars that it unpacks go through `recording` too.
  const own = openLayerStore(recording);
  const recordingLayers: LayerStore = {
    ...own,
    async fromTar(blob, options) {
      const known = new Set(Array.from(layers.list(), ({ id }) => id));
      const id = await own.fromTar(blob, options);
      if (!known.has(id)) made.set(id, timeOfLayer(id));
      return id;
    },
  };
  try {
    return await work({ content: recording, layers: recordingLayers });
  } catch (error) {
    for (const [id, time] of made) if (timeOfLayer(id) === time) layers.remove(id);
    for (const [digest, time] of blobs) if (timeOfBlob(digest) === time) content.remove(digest);
    throw error;
  }
}

function recordBlobs(content: ContentStore, brought: Map<Digest, number | undefined>): ContentStore {
  const isThere = (digest: Digest) => content.stat(digest) !== undefined && !brought.has(digest);
  const remember = (digest: Digest) => brought.set(digest, timeOf(content.path(digest)));
  const take = async (digest: Digest, ingest: () => Promise<Blob>): Promise<Blob> => {
    const wasThere = isThere(digest);
    const blob = await ingest();
    if (!wasThere) remember(digest);
    return blob;
  };
  return {
    ...content,
    async ingest(data, expected, signal) {
      if (expected?.digest !== undefined)
        return await take(expected.digest, () => content.ingest(data, expected, signal));
      // Which blob it is comes out only at the end.
      const before = new Set(content.list());
      const blob = await content.ingest(data, expected, signal);
      if (!before.has(blob.digest)) remember(blob.digest);
      return blob;
    },
    ingestBytes: (bytes, expected) => take(digestOf(bytes), () => content.ingestBytes(bytes, expected)),
    adopt(file, blob) {
      const wasThere = isThere(blob.digest);
      content.adopt(file, blob);
      if (!wasThere) remember(blob.digest);
    },
  };
}

function timeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}
