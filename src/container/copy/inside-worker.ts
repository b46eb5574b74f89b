/**
 * The process that reads and writes a container's files: it locks itself into the container's root first, so no link in
 * there leads it out. Arguments: path of the root, the task as JSON. The archive comes on stdin or goes to stdout.
 */
import { writeSync } from "node:fs";
import { defined, toBuildError } from "../../core/index.ts";
import { enterRoot } from "../../sys/index.ts";
import { extractTree } from "./extract.ts";
import { packTree } from "./pack.ts";
import { pipeSource } from "./stream.ts";
import type { ContainerReply, ContainerTask } from "./tasks.ts";

const [root = "", text = ""] = process.argv.slice(2);

function reply(what: ContainerReply): void {
  writeSync(2, JSON.stringify(what));
}

try {
  const { kind, task } = JSON.parse(text) as ContainerTask;
  enterRoot(root);
  reply({ value: kind === "pack" ? packTree(task, 1) : extractTree(task, pipeSource(0)) });
} catch (error) {
  const { code, message, hint } = toBuildError(error);
  reply({ error: { code, message, ...defined({ hint }) } });
  process.exitCode = 1;
}
