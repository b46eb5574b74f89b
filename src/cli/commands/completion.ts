import { readFileSync } from "node:fs";
import { BuildError } from "../../core/index.ts";
import type { Command } from "../command.ts";
import { candidatesFor } from "../completion/candidates.ts";

const shells = ["bash", "zsh", "fish"];

export const command: Command = {
  name: "completion",
  summary: "Prints what a shell needs to complete commands, flags, images and stages.",
  usage: "bash|zsh|fish",
  flags: [],
  minArgs: 1,
  maxArgs: Number.POSITIVE_INFINITY,
  stopAtArgument: true,
  completes: shells,
  examples: [
    "source <(stagewright completion bash)",
    "source <(stagewright completion zsh)",
    "stagewright completion fish > ~/.config/fish/completions/stagewright.fish",
  ],
  run: async (call) => {
    const [shell = "", ...words] = call.args;
    if (shell === "candidates") process.stdout.write(await candidateLines(words));
    else if (shells.includes(shell) && words.length === 0) process.stdout.write(script(shell));
    else
      throw new BuildError("invalid-argument", `no completion for ${call.args.join(" ")}`, {
        hint: `there is one for ${shells.join(", ")}`,
      });
    return 0;
  },
};

/**
 * What the scripts in `completions/` read, a line a candidate. They put `--` before the words, so that none of them is
 * a flag of ours. What fits is worked out here; a script only hands the words over and offers what comes back.
 */
async function candidateLines([separator, ...words]: readonly string[]): Promise<string> {
  if (separator !== "--") return "";
  const found = await candidatesFor(words);
  if (found.kind !== "words") return `:${found.kind}\n`;
  return found.words.map(({ value, description }) => `${value}\t${description}\n`).join("");
}

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
