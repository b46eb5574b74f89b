import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Digest, hexOf, replaceFile } from "../../core/index.ts";
import type { LayerId } from "../../snapshot/index.ts";

/** What is remembered of a download, so that a server can say that it has not changed. No URL is in it. */
export interface Download {
  /** The server's entity tag, without the mark of a weak one. */
  readonly etag?: string;
  /** sha256 of the file. */
  readonly digest: Digest;
  /** Its name in the layer. */
  readonly filename: string;
  /** `Last-Modified`, in seconds since the epoch. */
  readonly modified?: number;
  readonly layer: LayerId;
}

/** The file for the download that `key` stands for, below the store's root. */
function fileOf(root: string, key: Digest): string {
  return join(root, "remote", "http", `${hexOf(key)}.json`);
}

/** What is remembered of a download; undefined when there is nothing that can be read. */
export function recall(root: string, key: Digest): Download | undefined {
  try {
    const found = JSON.parse(readFileSync(fileOf(root, key), "utf8")) as Download;
    return typeof found.digest === "string" && typeof found.layer === "string" ? found : undefined;
  } catch {
    return undefined; // none, or half of one from before a power failure
  }
}

/** Remembers a download in place of the last one. */
export function remember(root: string, key: Digest, download: Download): void {
  const file = fileOf(root, key);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  replaceFile(file, JSON.stringify(download), { mode: 0o600 });
}
