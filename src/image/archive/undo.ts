import { statSync } from "node:fs";
import type { Blob, ContentStore } from "../../content/index.ts";
import { type Digest, digestOf } from "../../core/index.ts";

/**
 * Runs `work` with a content store that remembers which blobs it brought in, and removes them when `work` fails. Blobs
 * that somebody else has used since (their time has changed) stay.
 */
export async function undoOnFailure<T>(
  content: ContentStore,
  work: (content: ContentStore) => Promise<T>,
): Promise<T> {
  const brought = new Map<Digest, number>();
  const timesOf = (digest: Digest) => statSync(content.path(digest), { throwIfNoEntry: false });
  const isThere = (digest: Digest) => timesOf(digest) !== undefined && !brought.has(digest);
  const remember = (digest: Digest) => {
    const times = timesOf(digest);
    if (times !== undefined) brought.set(digest, times.mtimeMs);
  };
  const take = async (digest: Digest, ingest: () => Promise<Blob>): Promise<Blob> => {
    const wasThere = isThere(digest);
    const blob = await ingest();
    if (!wasThere) remember(digest);
    return blob;
  };
  const recording: ContentStore = {
    ...content,
    async ingest(data, expected, signal) {
      if (expected?.digest !== undefined)
        return await take(expected.digest, () => content.ingest(data, expected, signal));
      // Which blob it is comes out only at the end: a file born since is ours.
      const start = Date.now();
      const blob = await content.ingest(data, expected, signal);
      if ((timesOf(blob.digest)?.birthtimeMs ?? 0) >= start) remember(blob.digest);
      return blob;
    },
    ingestBytes: (bytes, expected) => take(digestOf(bytes), () => content.ingestBytes(bytes, expected)),
    adopt(file, blob) {
      const wasThere = isThere(blob.digest);
      content.adopt(file, blob);
      if (!wasThere) remember(blob.digest);
    },
  };
  try {
    return await work(recording);
  } catch (error) {
    for (const [digest, time] of brought) if (timesOf(digest)?.mtimeMs === time) content.remove(digest);
    throw error;
  }
}
