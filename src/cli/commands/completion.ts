import { readFileSync } from "node:fs";
import { BuildError } from "../../core/index.ts";
import type { Command } from "../command.ts";

const shells = ["bash", "zsh", "fish"];

export const command: Command = {
  name: "completion",
  summary: "Prints what a shell needs to complete commands, flags, images and stages.",
  usage: "bash|zsh|fish",
  flags: [],
  minArgs: 1,
  maxArgs: 1,
  completes: shells,
  examples: [
    "stagewright completion fish > ~/.config/fish/completions/stagewright.fish",
    "source <(stagewright completion bash)",
    "source <(stagewright completion zsh)",
  ],
  run: async (call) => {
    const [shell = ""] = call.args;
    if (!shells.includes(shell))
      throw new BuildError("invalid-argument", `no completion for ${shell}`, {
        hint: `there is one for ${shells.join(", ")}`,
      });
    process.stdout.write(script(shell));
    return 0;
  },
};

/** From the package, which is one level above the bundle and three above this file. */
function script(shell: string): string {
  for (const root of ["..", "../../.."]) {
    try {
      return readFileSync(new URL(`${root}/completions/stagewright.${shell}`, import.meta.url), "utf8");
    } catch {
      // not there: the other one is
    }
  }
  throw new BuildError("not-found", `stagewright.${shell} is missing from this installation`);
}
