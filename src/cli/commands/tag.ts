import type { Command } from "../command.ts";
import { rootFlag, storeOf } from "./common.ts";

export const command: Command = {
  name: "tag",
  summary: "Gives an image another name.",
  usage: "[OPTIONS] IMAGE NAME",
  completes: "image",
  flags: [rootFlag],
  minArgs: 2,
  maxArgs: 2,
  examples: ["stagewright tag hello registry.example.com/team/hello:1.2"],
  run: async (call) => {
    const { names } = storeOf(call);
    const [image = "", name = ""] = call.args;
    const { target, manifest, id } = names.resolve(image);
    await names.set(name, { target, manifest, id });
    return 0;
  },
};
