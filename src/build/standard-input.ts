import { addAbortSignal, type Readable } from "node:stream";
import { BuildError, type Bytes, collect, isArchive, peek } from "../core/index.ts";
import { maxFileSize } from "../dockerfile/index.ts";

/** What came through standard input: an archive, which is still to be read, or the text of a Dockerfile. */
export type StandardInput =
  | { readonly kind: "archive"; readonly data: Bytes }
  | { readonly kind: "text"; readonly text: Buffer };

/** A tar header has 512 bytes; archives say what they are before that. */
const headSize = 1024;

/** Tells by its first bytes what standard input is. */
export async function readStandardInput(
  stdin: Readable | undefined,
  signal: AbortSignal,
): Promise<StandardInput> {
  const { head, whole } = await peek(inputOf(stdin, signal), headSize);
  if (isArchive(head)) return { kind: "archive", data: whole };
  return { kind: "text", text: await collect(whole, maxFileSize, "the Dockerfile on standard input") };
}

/** Reads a Dockerfile from standard input. */
export function readText(stdin: Readable | undefined, signal: AbortSignal): Promise<Buffer> {
  return collect(inputOf(stdin, signal), maxFileSize, "the Dockerfile on standard input");
}

function inputOf(stdin: Readable | undefined, signal: AbortSignal): Bytes {
  if (stdin === undefined)
    throw new BuildError("invalid-argument", "the build is to read standard input, and was given none", {
      hint: "pass it as `stdin`",
    });
  return addAbortSignal(signal, stdin);
}
