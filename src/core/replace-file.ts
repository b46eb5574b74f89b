import { randomBytes } from "node:crypto";
import { closeSync, fchmodSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";

export interface ReplaceOptions {
  /** Permission bits, whatever the umask is; without them they are the usual ones of the user. */
  readonly mode?: number;
  /** Whether the content is on the disk before the file has its name. */
  readonly durable?: boolean;
}

/** Writes a small file whole or not at all: under another name in its directory, which is then renamed. */
export function replaceFile(
  file: string,
  data: string | Uint8Array,
  { mode, durable }: ReplaceOptions = {},
): void {
  const temporary = temporaryNameOf(file);
  try {
    const descriptor = openSync(temporary, "wx", mode);
    try {
      writeFileSync(descriptor, data);
      if (mode !== undefined) fchmodSync(descriptor, mode);
      if (durable) fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** The same for a file of any size: `write` makes it under the name that it is given, in the directory of `file`. */
export async function replaceFileBy(
  file: string,
  write: (temporary: string) => Promise<unknown>,
): Promise<void> {
  const temporary = temporaryNameOf(file);
  try {
    await write(temporary);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** What a killed process leaves is known by its end, `.tmp`. */
function temporaryNameOf(file: string): string {
  return `${file}.${randomBytes(6).toString("hex")}.tmp`;
}
