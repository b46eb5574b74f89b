import { posix } from "node:path";
import { type LlbVertex, localSource } from "../../llb/index.ts";
import { defaultSession } from "../sources.ts";
import type { FrontendOptions } from "../types.ts";

/** What BuildKit reads the Dockerfile through. No graph has it, but its digest is on record. */
export function definitionSource(options: Pick<FrontendOptions, "file" | "sessionId">): LlbVertex {
  const { file } = options;
  const names = [file, `${file}.dockerignore`];
  if (posix.basename(file) === "Dockerfile") names.push(posix.join(posix.dirname(file), "dockerfile"));
  return localSource(
    "dockerfile",
    {
      session: options.sessionId ?? defaultSession,
      sharedKeyHint: "dockerfile",
      followPaths: names,
      differ: "none",
    },
    { name: `[internal] load build definition from ${file}` },
  );
}

/** What BuildKit reads `.dockerignore` through. */
export function dockerignoreSource(options: Pick<FrontendOptions, "sessionId">): LlbVertex {
  return localSource(
    "context",
    {
      session: options.sessionId ?? defaultSession,
      sharedKeyHint: "context-.dockerignore",
      followPaths: [".dockerignore"],
      differ: "none",
    },
    { name: "[internal] load .dockerignore" },
  );
}
