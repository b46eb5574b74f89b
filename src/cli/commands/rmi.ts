import { familiarReference, parseReference, toBuildError } from "../../core/index.ts";
import type { ImageRecord } from "../../names/index.ts";
import { removeImage } from "../../store/index.ts";
import type { Command } from "../command.ts";
import { errorText } from "../error-text.ts";
import { interruption } from "../interruption.ts";
import { rootFlag, storeOf } from "./common.ts";

export const command: Command = {
  name: "rmi",
  summary: "Takes names away from images, and removes what no name, cache record or running build needs.",
  usage: "[OPTIONS] IMAGE [IMAGE…]",
  completes: "image",
  flags: [
    { name: "force", short: "f", help: "with an id: remove every name it has; a missing image is no error" },
    rootFlag,
    { name: "no-prune", help: "", refused: "there are no untagged parents", accepted: ["true", "false"] },
    { name: "platform", value: "", many: true, help: "", refused: "an index goes as a whole" },
  ],
  minArgs: 1,
  maxArgs: Number.POSITIVE_INFINITY,
  examples: ["stagewright rmi hello", "stagewright rmi -f 3f2a91b04c5d"],
  run: async (call) => {
    const store = storeOf(call);
    const force = call.is("force");
    const stop = interruption();
    let failed = false;
    try {
      for (const text of call.args) {
        try {
          const { untagged, freed } = await removeImage(store, text, { force, signal: stop.signal });
          const lines = [
            ...untagged.map((record) => `Untagged: ${shownName(record)}`),
            ...freed.layers.map((layer) => `Deleted: layer ${layer}`),
            ...freed.blobs.map((digest) => `Deleted: ${digest}`),
          ];
          process.stdout.write(lines.map((line) => `${line}\n`).join(""));
        } catch (error) {
          const failure = toBuildError(error);
          if (stop.signal.aborted) throw failure;
          if (failure.code === "not-found" && force) continue;
          process.stderr.write(errorText(failure));
          failed = true;
        }
      }
    } finally {
      stop.end();
    }
    return failed ? 1 : 0;
  },
};

function shownName({ name, id }: ImageRecord): string {
  return name === undefined ? id : familiarReference(parseReference(name));
}
