import { createInterface } from "node:readline/promises";
import { BuildError } from "../../core/index.ts";
import { type PruneOptions, prune } from "../../store/index.ts";
import type { Command } from "../command.ts";
import { interruption } from "../interruption.ts";
import { formatSize } from "../progress/format.ts";
import { counted } from "../text-table.ts";
import { rootFlag, storeOf } from "./common.ts";

export const command: Command = {
  name: "prune",
  summary: "Removes untagged images and cached steps that no image needs. Safe beside running builds.",
  usage: "[OPTIONS]",
  flags: [
    { name: "all", short: "a", help: "the whole cache; images with a name stay" },
    { name: "force", short: "f", help: "do not ask" },
    { name: "dry-run", help: "only say what would go" },
    {
      name: "filter",
      value: "until=TIME",
      many: true,
      help: "spare what was used since: 24h, 7d, or a date",
    },
    rootFlag,
  ],
  minArgs: 0,
  maxArgs: 0,
  examples: ["stagewright prune", "stagewright prune --all --filter until=24h"],
  run: async (call) => {
    const until = untilOf(call.all("filter"));
    const store = storeOf(call);
    if (!call.is("force") && !call.is("dry-run") && !(await confirmed(call.is("all")))) return 1;
    const stop = interruption();
    try {
      const options: PruneOptions = {
        cache: call.is("all") ? "all" : "unused",
        untagged: true,
        dryRun: call.is("dry-run"),
        signal: stop.signal,
        ...(until === undefined ? {} : { until }),
      };
      const { images, records, layers, blobs, bytes } = await prune(store, options);
      const would = call.is("dry-run") ? "would be " : "";
      process.stdout.write(
        `${counted(images.length, "image")}, ${counted(records.length, "cached step")}, ${counted(layers.length, "layer")} and ${counted(blobs.length, "blob")} ${would}removed\n` +
          `${call.is("dry-run") ? "Reclaimable" : "Total reclaimed"} space: ${formatSize(bytes, 4)}\n`,
      );
    } finally {
      stop.end();
    }
    return 0;
  },
};

async function confirmed(all: boolean): Promise<boolean> {
  const what = all ? "the whole build cache" : "the build cache that no image needs";
  if (!process.stdin.isTTY)
    throw new BuildError("failed-precondition", `prune would remove untagged images and ${what}`, {
      hint: "confirm with --force",
    });
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await prompt.question(`This removes untagged images and ${what}. Go on? [y/N] `);
  prompt.close();
  return /^y(es)?$/i.test(answer.trim());
}

const units = { s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 } as const;

function untilOf(filters: readonly string[]): number | undefined {
  let until: number | undefined;
  for (const filter of filters) {
    const [, value = ""] = /^until=(.+)$/.exec(filter) ?? [];
    const [, amount, unit] = /^(\d+)([smhd])$/.exec(value) ?? [];
    const time =
      unit === undefined
        ? Date.parse(value)
        : Date.now() - Number(amount) * units[unit as keyof typeof units];
    if (value === "" || Number.isNaN(time))
      throw new BuildError("invalid-argument", `--filter ${filter}: expected until=24h or until=2026-01-31`);
    until = time;
  }
  return until;
}
