import { addAbortSignal } from "node:stream";
import { BuildError, defined, familiarReference, parseReference } from "../../core/index.ts";
import { loadArchive } from "../../image/archive/index.ts";
import { imageRecordOf } from "../../image/index.ts";
import type { Command } from "../command.ts";
import { platformOf, rootFlag, storeOf } from "./common.ts";
import { leased } from "./leased.ts";

export const command: Command = {
  name: "load",
  summary:
    "Reads images from an archive of docker, podman, skopeo or stagewright, or from an OCI layout directory.",
  usage: "[OPTIONS]",
  completes: "file",
  flags: [
    {
      name: "input",
      completes: "file",
      short: "i",
      value: "PATH",
      help: "archive or directory (default: standard input)",
    },
    { name: "platform", value: "OS/ARCH", help: "which image of an index is meant" },
    { name: "quiet", short: "q", help: "print nothing" },
    rootFlag,
  ],
  minArgs: 0,
  maxArgs: 0,
  examples: ["stagewright load -i hello.tar", "docker save hello | stagewright load"],
  run: async (call) => {
    const input = call.get("input");
    if (input === undefined && process.stdin.isTTY)
      throw new BuildError("invalid-argument", "requested load from stdin, but stdin is a terminal", {
        hint: "use -i FILE or a pipe",
      });
    const store = storeOf(call);
    const platform = platformOf(call);
    await leased(store, async (signal) => {
      const stdin = input === undefined || input === "-";
      const loaded = await loadArchive(stdin ? addAbortSignal(signal, process.stdin) : input, {
        content: store.content,
        layers: store.layers,
        signal,
        ...defined({ platform }),
      });
      for (const { image, names } of loaded) {
        for (const name of names) await store.names.set(name, imageRecordOf(image));
        if (names.length === 0) await store.names.set(undefined, imageRecordOf(image));
        const shown = names.map((name) => `Loaded image: ${familiarReference(parseReference(name))}\n`);
        if (!call.is("quiet")) process.stdout.write(shown.join("") || `Loaded image ID: ${image.id}\n`);
      }
    });
    return 0;
  },
};
