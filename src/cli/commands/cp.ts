import { join, resolve } from "node:path";
import { type CopyEnds, copyFromContainer, copyToContainer, openContainers } from "../../container/index.ts";
import { BuildError } from "../../core/index.ts";
import { createExecutor } from "../../executor/index.ts";
import type { Call, Command } from "../command.ts";
import { interruption } from "../interruption.ts";
import { formatSize } from "../progress/format.ts";
import { rootFlag, storeOf } from "./common.ts";

export const command: Command = {
  name: "cp",
  summary:
    "Copies files between a container, running or not, and this machine; - is a tar on stdin or stdout.",
  usage: "[OPTIONS] CONTAINER:SRC DST|-  or  SRC|- CONTAINER:DST",
  flags: [
    { name: "archive", short: "a", help: "keep the owners of what comes out of a container" },
    { name: "follow-link", short: "L", help: "copy what a link in SRC leads to" },
    { name: "quiet", short: "q", help: "say nothing about what was copied" },
    rootFlag,
  ],
  minArgs: 2,
  maxArgs: 2,
  examples: ["stagewright cp extract:/go/src/app ./app", "stagewright cp conf/. web:/etc/app"],
  run: copy,
};

async function copy(call: Call): Promise<number> {
  const [from = "", to = ""] = call.args;
  const [source, target] = [splitArgument(from), splitArgument(to)];
  if (source.container !== undefined && target.container !== undefined)
    throw new BuildError("invalid-argument", "copying between containers is not supported");
  if (source.container === undefined && target.container === undefined)
    throw new BuildError("invalid-argument", "must specify at least one container source", {
      hint: "one side reads like CONTAINER:PATH",
    });
  const store = storeOf(call);
  const containers = openContainers(store.root);
  const stop = interruption();
  const executor = once(() => createExecutor({ stateDir: join(store.root, "run") }));
  try {
    const dependencies = { containers, layers: store.layers, executor: executor.get, signal: stop.signal };
    const outward = source.container !== undefined;
    const inside = outward ? source : target;
    const outside = outward ? target : source;
    const ends: CopyEnds = {
      container: containers.find(inside.container ?? ""),
      inside: inside.path,
      outside: outside.path === "-" ? "-" : absolute(outside.path),
      followLink: call.is("follow-link"),
      keepOwners: call.is("archive"),
    };
    const { bytes, skipped } = await (outward ? copyFromContainer : copyToContainer)(ends, dependencies);
    for (const name of skipped) process.stderr.write(`WARNING: ${name} is a device, and was left out\n`);
    if (!call.is("quiet") && to !== "-")
      process.stderr.write(`Successfully copied ${formatSize(bytes, 3)} to ${to}\n`);
    return 0;
  } finally {
    stop.end();
    (await executor.made()?.catch(() => undefined))?.close();
  }
}

/** `NAME:PATH`; a path of this machine is absolute, begins with a dot, or has no colon. */
function splitArgument(text: string): { readonly container?: string; readonly path: string } {
  const colon = text.indexOf(":");
  if (colon < 0 || /^[./]/.test(text)) return { path: text };
  return { container: text.slice(0, colon), path: text.slice(colon + 1) };
}

/** Absolute, with the `/` or `/.` at its end that the rules for copying look at. */
function absolute(path: string): string {
  const end = /\/\.?$/.exec(path)?.[0] ?? (path === "." || path.endsWith("/..") || path === ".." ? "/." : "");
  const whole = resolve(path);
  return whole === "/" ? whole : `${whole}${end}`;
}

function once<T>(make: () => Promise<T>): { get(): Promise<T>; made(): Promise<T> | undefined } {
  let made: Promise<T> | undefined;
  return {
    get() {
      made ??= make();
      return made;
    },
    made: () => made,
  };
}
