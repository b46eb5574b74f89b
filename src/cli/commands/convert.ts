import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { dockerfileOf } from "../../build/index.ts";
import { toMultiStage } from "../../convert/index.ts";
import { BuildError } from "../../core/index.ts";
import { parseDockerfile, planStages, readStages } from "../../dockerfile/index.ts";
import type { Command } from "../command.ts";
import { writeWhole } from "./common.ts";

export const command: Command = {
  name: "convert",
  summary: "Writes a multi-stage Dockerfile from one with a single stage, for languages that it knows.",
  usage: "[OPTIONS] [PATH]",
  flags: [
    {
      name: "file",
      short: "f",
      completes: "file",
      value: "FILE",
      help: "Dockerfile (default: PATH/Dockerfile)",
    },
    {
      name: "output",
      short: "o",
      completes: "file",
      value: "FILE",
      help: "where to write (default: standard output)",
    },
    { name: "force", help: "replace the output when it is there" },
  ],
  minArgs: 0,
  maxArgs: 1,
  completes: "directory",
  examples: [
    "stagewright convert .",
    "stagewright convert -o Dockerfile.multi .",
    "stagewright convert -o Dockerfile --force .",
  ],
  run: async (call) => {
    const context = call.args[0] ?? ".";
    const file = call.get("file");
    const { name, content, root } = dockerfileOf({
      context,
      ...(file === undefined || file === "" ? {} : { file }),
    });
    const output = call.get("output") ?? "-";
    if (output !== "-" && existsSync(output) && !call.is("force"))
      throw new BuildError("already-exists", `${output} is there already`, { hint: "--force replaces it" });
    const source = readStages(parseDockerfile(content, name));
    const { text, notes } = toMultiStage(source, {
      read: (path) => textOf(join(root, path)),
      has: (path) => existsSync(join(root, path)),
    });
    planStages(readStages(parseDockerfile(text, name)));
    writeWhole(output === "-" ? output : resolve(output), text);
    process.stderr.write(notes.map((note) => ` - ${note}\n`).join(""));
    return 0;
  },
};

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR") return undefined;
    throw new BuildError("invalid-argument", `cannot read ${path}: ${(error as Error).message}`);
  }
}
