import { BuildError, familiarReference, parseReference, toBuildError } from "../../core/index.ts";
import type { ImageRecord, NameStore } from "../../names/index.ts";
import { prune } from "../../store/index.ts";
import type { Command } from "../command.ts";
import { errorText } from "../error-text.ts";
import { rootFlag, storeOf } from "./common.ts";

export const command: Command = {
  name: "rmi",
  summary: "Takes names away from images, and removes what no name, cache record or running build needs.",
  usage: "[OPTIONS] IMAGE [IMAGE…]",
  flags: [
    { name: "force", short: "f", help: "with an id: remove every name it has; a missing image is no error" },
    rootFlag,
  ],
  minArgs: 1,
  maxArgs: Number.POSITIVE_INFINITY,
  examples: ["stagewright rmi hello", "stagewright rmi -f 3f2a91b04c5d"],
  run: async (call) => {
    const store = storeOf(call);
    let failed = false;
    for (const text of call.args) {
      try {
        const removed = await removeNames(store.names, text, call.is("force"));
        for (const record of removed) process.stdout.write(`Untagged: ${shownName(record)}\n`);
      } catch (error) {
        const failure = toBuildError(error);
        if (failure.code === "not-found" && call.is("force")) continue;
        process.stderr.write(errorText(failure));
        failed = true;
      }
    }
    const { layers, blobs } = await prune(store, { cache: "none", untagged: false });
    for (const layer of layers) process.stdout.write(`Deleted: layer ${layer}\n`);
    for (const digest of blobs) process.stdout.write(`Deleted: ${digest}\n`);
    return failed ? 1 : 0;
  },
};

/** A name goes by itself; an id goes with all its names, which has to be meant when there are several. */
async function removeNames(names: NameStore, text: string, force: boolean): Promise<readonly ImageRecord[]> {
  const byName = isName(text) ? names.get(text) : undefined;
  const records = byName === undefined ? names.find(text) : [byName];
  if (records.length === 0) names.resolve(text);
  const named = records.filter((record) => record.name !== undefined);
  if (byName === undefined && named.length > 1 && !force)
    throw new BuildError(
      "failed-precondition",
      `${text} has several names: ${named.map(shownName).join(", ")}`,
      {
        hint: "remove them one by one, or all at once with --force",
      },
    );
  // A name that is taken away on purpose leaves no untagged image behind.
  for (const record of records) {
    await names.remove(record);
    const untagged = names
      .list()
      .find((other) => other.name === undefined && other.target.digest === record.target.digest);
    if (untagged !== undefined) await names.remove(untagged);
  }
  return records;
}

function isName(text: string): boolean {
  try {
    parseReference(text);
    return true;
  } catch {
    return false;
  }
}

function shownName({ name, id }: ImageRecord): string {
  return name === undefined ? id : familiarReference(parseReference(name));
}
