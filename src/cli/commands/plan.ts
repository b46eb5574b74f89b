import { plan } from "../../build/index.ts";
import { BuildError, defined } from "../../core/index.ts";
import type { BuildPlan } from "../../frontend/index.ts";
import type { Command } from "../command.ts";
import { planGraph } from "../plan/graph.ts";
import { planMermaid } from "../plan/mermaid.ts";
import { planSvg } from "../plan/svg.ts";
import { planText } from "../plan/text.ts";
import { buildFlags } from "./build-flags.ts";
import { buildArgsOf, buildContextsOf, platformOf } from "./common.ts";

/** A plan reads one file of this disk. */
const file = {
  name: "file",
  short: "f",
  value: "FILE",
  help: "Dockerfile (default: PATH/Dockerfile)",
} as const;

const shared = new Set(["target", "build-arg", "build-context", "platform"]);

const formats: Readonly<Record<string, (plan: BuildPlan) => string>> = {
  text: planText,
  json: (plan) => `${JSON.stringify(plan, null, 2)}\n`,
  mermaid: (plan) => planMermaid(planGraph(plan)),
  svg: (plan) => planSvg(planGraph(plan)),
};

export const command: Command = {
  name: "plan",
  summary: "Shows which stages and steps a build would run, which it would skip, and why. Runs nothing.",
  usage: "[OPTIONS] PATH",
  completes: "directory",
  flags: [
    file,
    ...buildFlags.filter((flag) => shared.has(flag.name)),
    {
      name: "format",
      completes: ["text", "json", "mermaid", "svg"],
      value: "KIND",
      help: "text (default), json, mermaid or svg",
    },
  ],
  minArgs: 1,
  maxArgs: 1,
  examples: [
    "stagewright plan .",
    "stagewright plan --target runtime --format json .",
    "stagewright plan --format svg . > stages.svg",
  ],
  run: async (call) => {
    const format = call.get("format") ?? "text";
    const show = Object.hasOwn(formats, format) ? formats[format] : undefined;
    if (show === undefined)
      throw new BuildError(
        "invalid-argument",
        `--format ${format}: there are ${Object.keys(formats).join(", ")}`,
      );
    const platform = platformOf(call);
    const file = call.get("file");
    const target = call.get("target");
    const planned = plan({
      context: call.args[0] as string,
      buildArgs: buildArgsOf(call),
      buildContexts: buildContextsOf(call),
      ...defined({ file, target, platform }),
    });
    process.stdout.write(show(planned));
    return 0;
  },
};
