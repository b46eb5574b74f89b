import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { BuildError, foreignText, hostPlatform, platformMatches } from "../../core/index.ts";
import { saveArchive } from "../../image/archive/index.ts";
import { counted } from "./counted.ts";
import type { LocalEngine } from "./types.ts";

const usualSocket = "/run/containerd/containerd.sock";
/** Characters of an error that are shown. */
const longestMessage = 2000;

/**
 * containerd, spoken to by its own client `ctr`, in the namespace that CONTAINERD_NAMESPACE says or in nerdctl's
 * `default`. Undefined when there is no socket.
 */
export function containerdEngine(env: NodeJS.ProcessEnv): LocalEngine | undefined {
  const address = (env.CONTAINERD_ADDRESS || usualSocket).replace(/^unix:\/\//, "");
  if (!statSync(address, { throwIfNoEntry: false })?.isSocket()) return undefined;
  const client = ["--address", address, "--namespace", env.CONTAINERD_NAMESPACE || "default"];
  const ctr = (args: readonly string[], signal: AbortSignal | undefined, input?: AsyncIterable<Uint8Array>) =>
    run([...client, "images", ...args], address, signal, input);
  return {
    name: `containerd at ${address}`,
    storesIndexes: true,
    async load({ target, platforms }, names, { content }, { signal, onProgress = () => undefined }) {
      const have = await digestsByName(() => ctr(["list"], signal));
      if (names.every((name) => have.get(name) === target.digest)) return { id: target.digest, sent: false };
      const [source] = [...have].find(([, digest]) => digest === target.digest) ?? [];
      if (source !== undefined) {
        for (const name of names)
          if (have.get(name) !== target.digest) await ctr(["tag", "--force", source, name], signal);
        return { id: target.digest, sent: false };
      }
      const archive = saveArchive([{ target, names }], "oci", content, signal);
      // What cannot run here cannot be unpacked here either: that would fail.
      const runs = platforms.some((platform) => platformMatches(platform, hostPlatform()));
      const how = ["--all-platforms", "--digests", ...(runs ? [] : ["--no-unpack"])];
      await ctr(["import", ...how, "-"], signal, counted(archive, onProgress));
      return { id: target.digest, sent: true };
    },
  };
}

/** The third column of the list is the digest. */
async function digestsByName(list: () => Promise<string>): Promise<ReadonlyMap<string, string>> {
  const rows = (await list()).split("\n").slice(1);
  return new Map(
    rows.flatMap((row) => {
      const [name, , digest] = row.split(/\s+/);
      return name && digest ? [[name, digest] as const] : [];
    }),
  );
}

async function run(
  args: readonly string[],
  address: string,
  signal: AbortSignal | undefined,
  input: AsyncIterable<Uint8Array> | undefined,
): Promise<string> {
  const child = spawn("ctr", args, { stdio: ["pipe", "pipe", "pipe"], ...(signal ? { signal } : {}) });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-longestMessage);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  ended.catch(() => undefined); // awaited below, after the input
  const fed = input === undefined ? child.stdin.end() : pipeline(input, child.stdin);
  try {
    await fed;
  } catch {
    signal?.throwIfAborted(); // else the program ended early, and says why
  }
  const code = await ended.catch((error: NodeJS.ErrnoException) => {
    signal?.throwIfAborted();
    throw error.code === "ENOENT" ? noClient(address) : error;
  });
  if (code === 0) return stdout;
  const message = foreignText(stderr);
  throw new BuildError(
    "failed-precondition",
    `containerd at ${address}: ${message || `ctr exited with ${code}`}`,
  );
}

function noClient(address: string): BuildError {
  return new BuildError(
    "failed-precondition",
    `there is a containerd at ${address}, but no ctr to talk to it`,
    {
      hint: "ctr is part of containerd's packages; or save the image with -o type=oci,dest=FILE and import that",
    },
  );
}
