import { hostPlatform, type Platform } from "../../core/index.ts";
import { openLease } from "../../names/index.ts";
import { type BlobProgress, openRegistry } from "../../registry/index.ts";
import { pullImage } from "../../source/index.ts";
import type { Command } from "../command.ts";
import { interruption } from "../interruption.ts";
import { formatSize } from "../progress/format.ts";
import { shortId } from "../text-table.ts";
import { platformsOf, rootFlag, storeOf } from "./common.ts";

export const command: Command = {
  name: "pull",
  summary: "Brings an image from its registry into the local store.",
  usage: "[OPTIONS] IMAGE",
  flags: [
    {
      name: "platform",
      value: "OS/ARCH",
      many: true,
      help: "which image of an index; several, with commas between them",
    },
    { name: "quiet", short: "q", help: "print nothing but the name" },
    rootFlag,
  ],
  minArgs: 1,
  maxArgs: 1,
  examples: ["stagewright pull debian:12", "stagewright pull localhost:5000/team/app@sha256:…"],
  run: async (call) => {
    const store = storeOf(call);
    const registry = openRegistry();
    const lease = openLease(store.root);
    const stop = interruption();
    try {
      await lease.begin();
      const [platform = hostPlatform(), ...more] = platformsOf(call);
      const pull = (wanted: Platform) =>
        pullImage(
          call.args[0] as string,
          { ...store, registry },
          {
            platform: wanted,
            signal: stop.signal,
            ...(call.is("quiet") ? {} : { onProgress: progress() }),
          },
        );
      for (const other of more) await pull(other);
      // What is pulled last is what the name stands for where no platform is given.
      const pulled = await pull(platform);
      if (!call.is("quiet")) {
        process.stdout.write(`Digest: ${pulled.target.digest}\n`);
        process.stdout.write(
          `Status: ${pulled.unchanged ? "Image is up to date" : "Downloaded newer image"} for ${pulled.name}\n`,
        );
      }
      process.stdout.write(`${pulled.name}\n`);
    } finally {
      stop.end();
      lease.release();
      registry.close();
    }
    return 0;
  },
};

/** A line when a blob is through; on a terminal also how far the present one is. */
function progress(): (progress: BlobProgress) => void {
  const done = new Set<string>();
  return ({ id, current, total }) => {
    if (done.has(id)) return;
    const clear = process.stderr.isTTY ? "\r\u001b[K" : "";
    if (current === total) {
      done.add(id);
      process.stderr.write(`${clear}${shortId(id)}: Pull complete (${formatSize(total, 3)})\n`);
    } else if (process.stderr.isTTY) {
      process.stderr.write(`${clear}${shortId(id)}: ${formatSize(current, 3)} / ${formatSize(total, 3)}`);
    }
  };
}
