import { fsck } from "../../store/index.ts";
import type { Command } from "../command.ts";
import { interruption } from "../interruption.ts";
import { counted } from "../text-table.ts";
import { rootFlag, storeOf } from "./common.ts";

export const command: Command = {
  name: "fsck",
  summary: "Reads and hashes everything in the store and names what is wrong. Exits 1 when something is.",
  usage: "[OPTIONS]",
  flags: [
    { name: "repair", help: "take damaged things out, so that they are made or pulled again" },
    rootFlag,
  ],
  minArgs: 0,
  maxArgs: 0,
  examples: ["stagewright fsck", "stagewright fsck --repair"],
  run: async (call) => {
    const stop = interruption();
    let count = 0;
    try {
      for await (const finding of fsck(storeOf(call), { repair: call.is("repair"), signal: stop.signal })) {
        count++;
        const repaired = finding.repaired === undefined ? "" : ` (${finding.repaired})`;
        process.stdout.write(`${finding.kind} ${finding.subject}: ${finding.problem}${repaired}\n`);
      }
    } finally {
      stop.end();
    }
    process.stdout.write(count === 0 ? "Nothing is wrong.\n" : `${counted(count, "problem")}\n`);
    return count === 0 ? 0 : 1;
  },
};
