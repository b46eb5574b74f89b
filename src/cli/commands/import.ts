import { statSync } from "node:fs";
import { addAbortSignal } from "node:stream";
import { BuildError, defined, fileBytes } from "../../core/index.ts";
import { importRootfs } from "../../image/archive/index.ts";
import { imageRecordOf } from "../../image/index.ts";
import { openLease } from "../../names/index.ts";
import type { Command } from "../command.ts";
import { interruption } from "../interruption.ts";
import { platformOf, rootFlag, storeOf } from "./common.ts";

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
    const stop = interruption();
    const lease = openLease(store.root);
    try {
      await lease.begin();
      if (file !== "-" && statSync(file).isDirectory())
        throw new BuildError("invalid-argument", `${file} is a directory`, {
          hint: `pack it first: tar c -C ${file} . | stagewright import - NAME`,
        });
      const data = file === "-" ? addAbortSignal(stop.signal, process.stdin) : fileBytes(file, stop.signal);
      const options = defined({ message, platform });
      const image = await importRootfs(data, options, store, stop.signal);
      await store.names.set(name, imageRecordOf(image));
      process.stdout.write(`${image.id}\n`);
    } finally {
      lease.release();
      stop.end();
    }
    return 0;
  },
};
