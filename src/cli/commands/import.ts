import { statSync } from "node:fs";
import { addAbortSignal } from "node:stream";
import { BuildError, defined, fileBytes } from "../../core/index.ts";
import { importRootfs } from "../../image/archive/index.ts";
import { imageRecordOf } from "../../image/index.ts";
import type { Command } from "../command.ts";
import { platformOf, rootFlag, storeOf } from "./common.ts";
import { leased } from "./leased.ts";

export const command: Command = {
  name: "import",
  summary: "Makes an image of one layer from the tar of a root filesystem.",
  usage: "[OPTIONS] FILE|- [NAME]",
  completes: "file",
  flags: [
    { name: "message", short: "m", value: "TEXT", help: "comment in the history" },
    { name: "platform", value: "OS/ARCH", help: "platform of the files" },
    rootFlag,
    {
      name: "change",
      short: "c",
      value: "",
      many: true,
      help: "",
      refused: "write it into a Dockerfile: FROM the image",
    },
  ],
  minArgs: 1,
  maxArgs: 2,
  examples: ["stagewright import rootfs.tar base:1", "tar c -C rootfs . | stagewright import - base:1"],
  run: async (call) => {
    const store = storeOf(call);
    const [file = "-", name] = call.args;
    const message = call.get("message");
    const platform = platformOf(call);
    await leased(store, async (signal) => {
      if (file !== "-" && statSync(file).isDirectory())
        throw new BuildError("invalid-argument", `${file} is a directory`, {
          hint: `pack it first: tar c -C ${file} . | stagewright import - NAME`,
        });
      const data = file === "-" ? addAbortSignal(signal, process.stdin) : fileBytes(file, signal);
      const options = defined({ message, platform });
      const image = await importRootfs(data, options, store, signal);
      await store.names.set(name, imageRecordOf(image));
      process.stdout.write(`${image.id}\n`);
    });
    return 0;
  },
};
