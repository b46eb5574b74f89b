import { BuildError, defined } from "../../core/index.ts";
import { pushImage } from "../../exporter/index.ts";
import type { PushProgress } from "../../registry/index.ts";
import type { Command } from "../command.ts";
import type { TransferDisplay } from "../transfers.ts";
import { platformOf, rootFlag, storeOf } from "./common.ts";
import { transferring } from "./transferring.ts";

export const command: Command = {
  name: "push",
  summary: "Brings an image of the local store to the registry that its name says.",
  usage: "[OPTIONS] NAME",
  completes: "image",
  flags: [
    { name: "compression", value: "KIND", help: "of layers built here: gzip (default) or zstd" },
    { name: "platform", value: "OS/ARCH", help: "only this image of an index (default: the whole index)" },
    { name: "quiet", short: "q", help: "print nothing but the name" },
    rootFlag,
    { name: "all-tags", short: "a", help: "", refused: "name each tag", accepted: ["false"] },
    { name: "disable-content-trust", help: "", refused: "signatures are not checked", accepted: ["true"] },
  ],
  minArgs: 1,
  maxArgs: 1,
  examples: [
    "stagewright push registry.example.com/team/app:1.2",
    "stagewright push --compression zstd localhost:5000/app",
  ],
  run: async (call) => {
    const compression = call.get("compression") ?? "gzip";
    if (compression !== "gzip" && compression !== "zstd")
      throw new BuildError("invalid-argument", `--compression ${compression}: gzip or zstd`);
    const store = storeOf(call);
    const quiet = call.is("quiet");
    const platform = platformOf(call);
    await transferring(store, async ({ registry, display, signal }) => {
      const { name, target } = await pushImage(call.args[0] as string, store, registry, {
        compression,
        signal,
        ...defined({ platform }),
        ...(quiet
          ? {}
          : {
              onProgress: report(display),
              onCompress: (id, size, done) =>
                done ? display.idle(id) : display.busy(id, "Compressing", size),
            }),
      });
      display.end();
      if (!quiet) process.stdout.write(`Digest: ${target.digest}\n`);
      process.stdout.write(`${name}\n`);
    });
    return 0;
  },
};

const outcome = {
  pushed: "Pushed",
  exists: "Layer already exists",
  mounted: "Mounted from another repository",
} as const;

function report(display: TransferDisplay): (progress: PushProgress) => void {
  return ({ id, current, total, state }) => {
    if (state === "uploading") display.moving(id, current, total);
    else display.through(id, outcome[state], total);
  };
}
