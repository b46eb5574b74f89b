import { lstatSync } from "node:fs";
import { resolve } from "node:path";
import type { Writable } from "node:stream";
import type { ContentStore } from "../content/index.ts";
import { BuildError, type Bytes, defined } from "../core/index.ts";
import type { LayerStore } from "../layer/index.ts";
import type { NameStore } from "../names/index.ts";
import type { Annotation } from "./annotations.ts";

export interface ExportStores {
  readonly content: ContentStore;
  readonly layers: LayerStore;
  readonly names: NameStore;
}

export interface ExportOptions {
  /** Names given by `-t`; added to those of the output. */
  readonly names?: readonly string[];
  /** Given by `--annotation`; added to those of the output. */
  readonly annotations?: readonly Annotation[];
  /** Where `dest=-` goes. */
  readonly stdout?: Writable;
  /** Relative destinations are below this directory; the current one when left out. */
  readonly cwd?: string;
  readonly signal?: AbortSignal;
}

/** The absolute path of a destination. */
export function destination(dest: string, options: ExportOptions): string {
  return resolve(options.cwd ?? process.cwd(), dest);
}

/** Throws where the file cannot be, for a directory is there. */
export function checkFile(path: string, shown: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new BuildError("failed-precondition", `${shown} is a directory; the output is one file`, {
      hint: "name a file, or use tar=false or type=local for a directory",
    });
}

/** Writes to standard output, which stays open. */
export async function toStdout(data: Bytes, { stdout, signal }: ExportOptions): Promise<void> {
  if (stdout === undefined) throw new BuildError("internal", "dest=- needs a stream to write to");
  const { pipeline } = await import("node:stream/promises");
  await pipeline(data, stdout, { end: false, ...defined({ signal }) });
}
