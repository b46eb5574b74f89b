import { createInterface } from "node:readline/promises";
import { BuildError, defined } from "../../core/index.ts";
import { type PruneOptions, prune } from "../../store/index.ts";
import type { Call, Command, Flag } from "../command.ts";
import { interruption } from "../interruption.ts";
import { formatSize } from "../progress/format.ts";
import { counted } from "../text-table.ts";
import { rootFlag, storeOf } from "./common.ts";

export const force: Flag = { name: "force", short: "f", help: "do not ask" };
const dryRun: Flag = { name: "dry-run", help: "only say what would go" };
const filter: Flag = {
  name: "filter",
  value: "until=TIME",
  many: true,
  help: "spare what was used since: 24h, 7d, or a date",
};

export const command: Command = {
  name: "prune",
  summary: "Removes untagged images and cached steps that no image needs. Safe beside running builds.",
  usage: "[OPTIONS]",
  flags: [
    { name: "all", short: "a", help: "the whole cache; images with a name stay" },
    force,
    dryRun,
    filter,
    rootFlag,
    { name: "volumes", help: "", refused: "there are no volumes", accepted: ["true", "false"] },
  ],
  minArgs: 0,
  maxArgs: 0,
  examples: ["stagewright prune", "stagewright prune --all --filter until=24h"],
  run: (call) => pruneStore(call, { cache: cacheOf(call), untagged: true }),
};

/** `builder prune`: images stay. */
export const cachePrune: Command = {
  ...command,
  name: "builder prune",
  summary: "Removes cached steps that no image needs; images stay. Safe beside running builds.",
  flags: [
    { name: "all", short: "a", help: "the whole cache" },
    force,
    dryRun,
    filter,
    rootFlag,
    ...["keep-storage", "reserved-space", "max-used-space", "min-free-space"].map(
      (name): Flag => ({
        name,
        value: "",
        help: "",
        refused: "the cache is pruned by use and age: --filter until=24h",
      }),
    ),
    { name: "verbose", help: "", refused: "'stagewright du -v' lists every layer", accepted: ["false"] },
  ],
  examples: ["stagewright builder prune", "stagewright builder prune --all --force"],
  run: (call) => pruneStore(call, { cache: cacheOf(call), untagged: false }),
};

/** `image prune`: the cache stays. */
export const imagePrune: Command = {
  ...command,
  name: "image prune",
  summary: "Removes untagged images; the cache stays. Safe beside running builds.",
  flags: [
    force,
    dryRun,
    filter,
    rootFlag,
    { name: "all", short: "a", help: "", refused: "images with a name stay; rmi takes names away" },
  ],
  examples: ["stagewright image prune"],
  run: (call) => pruneStore(call, { cache: "none", untagged: true }),
};

type What = Pick<PruneOptions, "cache" | "untagged">;

function cacheOf(call: Call): PruneOptions["cache"] {
  return call.is("all") ? "all" : "unused";
}

async function pruneStore(call: Call, what: What): Promise<number> {
  const until = untilOf(call.all("filter"));
  const store = storeOf(call);
  if (!call.is("force") && !call.is("dry-run") && !(await confirmed(describe(what)))) return 1;
  const stop = interruption();
  try {
    const options: PruneOptions = {
      ...what,
      dryRun: call.is("dry-run"),
      signal: stop.signal,
      ...defined({ until }),
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
}

/** Asks whether `everything` may go. Throws `failed-precondition` where there is nobody to ask. */
export async function confirmed(everything: string): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new BuildError("failed-precondition", `prune would remove ${everything}`, {
      hint: "confirm with --force",
    });
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await prompt.question(`This removes ${everything}. Go on? [y/N] `);
  prompt.close();
  return /^y(es)?$/i.test(answer.trim());
}

function describe({ cache, untagged }: What): string {
  const parts = untagged ? ["untagged images"] : [];
  if (cache === "all") parts.push("the whole build cache");
  if (cache === "unused") parts.push("the build cache that no image needs");
  return parts.join(" and ");
}

const units = { s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 } as const;

/** Reads `--filter until=…`; milliseconds since the epoch. */
export function untilOf(filters: readonly string[]): number | undefined {
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
