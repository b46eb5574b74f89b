import { inspectImage, readRecord } from "../../image/index.ts";
import type { Command } from "../command.ts";
import { platformOf, rootFlag, storeOf } from "./common.ts";

export const command: Command = {
  name: "inspect",
  summary: "Shows everything about images, as JSON.",
  usage: "[OPTIONS] IMAGE [IMAGE…]",
  completes: "image",
  flags: [{ name: "platform", value: "OS/ARCH", help: "which image of an index" }, rootFlag],
  minArgs: 1,
  maxArgs: Number.POSITIVE_INFINITY,
  examples: ["stagewright inspect hello", "stagewright inspect hello | jq '.[0].Config.Env'"],
  run: async (call) => {
    const store = storeOf(call);
    const platform = platformOf(call);
    const images = call.args.map((name) => {
      const record = store.names.resolve(name);
      const named = store.names.list().filter(({ id }) => id === record.id);
      return inspectImage(readRecord(store.content, record, platform), named, store);
    });
    process.stdout.write(`${JSON.stringify(images, null, 4)}\n`);
    return 0;
  },
};
