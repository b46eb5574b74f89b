import { posix } from "node:path";
import { fileVertex, type LlbEdge } from "../../llb/index.ts";
import { internalName } from "../step-name.ts";

/** A filesystem with nothing but a here-document in it. */
export function inlineFile(name: string, content: string, mode: number): LlbEdge {
  const action = {
    kind: "mkfile",
    path: posix.join("/", name),
    mode,
    data: Buffer.from(content, "utf8"),
    timestamp: -1n,
  } as const;
  return fileVertex(undefined, [{ action }], { name: internalName("preparing inline document") });
}
