import { formatPlatform, hostPlatform, type Platform, platformMatches } from "../../core/index.ts";
import type { BlobProgress } from "../../registry/index.ts";
import { pullImage } from "../../source/index.ts";
import type { Command } from "../command.ts";
import type { TransferDisplay } from "../transfers.ts";
import { platformsOf, rootFlag, storeOf } from "./common.ts";
import { transferring } from "./transferring.ts";

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
    { name: "all-tags", short: "a", help: "", refused: "name each tag", accepted: ["false"] },
    { name: "disable-content-trust", help: "", refused: "signatures are not checked", accepted: ["true"] },
  ],
  minArgs: 1,
  maxArgs: 1,
  examples: ["stagewright pull debian:12", "stagewright pull localhost:5000/team/app@sha256:…"],
  run: async (call) => {
    const store = storeOf(call);
    await transferring(store, async ({ registry, display, signal }) => {
      const [platform = hostPlatform(), ...more] = platformsOf(call);
      const pull = (wanted: Platform) =>
        pullImage(
          call.args[0] as string,
          { ...store, registry },
          {
            platform: wanted,
            signal,
            ...(call.is("quiet") ? {} : { onProgress: reportPull(display) }),
          },
        );
      for (const other of more) await pull(other);
      // What is pulled last is what the name stands for where no platform is given.
      const pulled = await pull(platform);
      display.end();
      if (!platformMatches(pulled.platform, platform))
        process.stderr.write(
          `WARNING: the name has one image, for ${formatPlatform(pulled.platform)}, not for ${formatPlatform(platform)}\n`,
        );
      if (!call.is("quiet")) {
        process.stdout.write(`Digest: ${pulled.target.digest}\n`);
        process.stdout.write(
          `Status: ${pulled.unchanged ? "Image is up to date" : "Downloaded newer image"} for ${pulled.name}\n`,
        );
      }
      process.stdout.write(`${pulled.name}\n`);
    });
    return 0;
  },
};

/** Shows the blobs of a pull. What is here before anything of it moves was here already. */
export function reportPull(display: TransferDisplay): (progress: BlobProgress) => void {
  const fetched = new Set<string>();
  return ({ id, current, total }) => {
    if (current < total) {
      fetched.add(id);
      display.moving(id, current, total);
    } else display.through(id, fetched.has(id) ? "Pull complete" : "Already exists", total);
  };
}
