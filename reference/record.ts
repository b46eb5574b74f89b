import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { type BaseImage, makeBaseImages } from "./base.ts";
import { buildx, docker } from "./buildx.ts";
import { recordCalls } from "./calls.ts";
import { caseNames, makeContext, makeSecrets, readCase } from "./case.ts";
import { startEngine } from "./engine.ts";
import { enterPrivateMounts, mountPeers } from "./namespaces.ts";
import { ensurePeers } from "./peers.ts";
import { basesRecord, caseRecord, readRecord, type Versions, writeBases, writeRecord } from "./records.ts";
import { makeRemote, serveRemoteIn } from "./remote.ts";
import { type SessionProxy, startSessionProxy } from "./session-proxy.ts";

/**
 * npm run reference:record -- [--calls] [CASE…]
 * Builds the cases with a real BuildKit, and writes what it made of each to recorded/<case>.json. With `--calls` it
 * builds nothing: only what `docker buildx build --call` prints is recorded again.
 */
async function main(words: readonly string[]): Promise<void> {
  enterPrivateMounts();
  const peers = ensurePeers();
  const callsOnly = words.includes("--calls");
  const wanted = words.filter((word) => word !== "--calls");
  const names = wanted.length > 0 ? wanted : caseNames({ remote: true });
  for (const name of names) readCase(name);
  const work = mountPeers(peers.root);
  const bases = makeBaseImages(join(work, "images"), dirname(peers.root));
  const engine = await startEngine(peers.root, work, {
    containerdStore: true,
    registryImages: Object.fromEntries(bases.map(({ name }) => [name, `images/${name}`])),
  });
  const fetches = names.some((name) => readCase(name).remote);
  if (fetches) makeRemote(join(work, "remote"));
  const remote = fetches ? await serveRemoteIn(engine.pid, join(work, "remote")) : undefined;
  const proxy = await startSessionProxy(join(work, "proxy.sock"), engine.socket);
  try {
    await recordAll(peers.root, work, proxy, bases, names, callsOnly);
  } finally {
    await engine.stop();
    remote?.close();
    await proxy.close();
  }
}

async function recordAll(
  root: string,
  work: string,
  proxy: SessionProxy,
  bases: readonly BaseImage[],
  names: readonly string[],
  callsOnly: boolean,
): Promise<void> {
  const versions = await versionsOf(root);
  const since = Math.floor(Date.now() / 1000) - 1;
  if (!callsOnly) writeBases(basesRecord(bases));
  for (const name of names) {
    // BuildKit keeps a context under the name of its directory, and takes files of equal size and time to be the same.
    const request = { ...readCase(name), context: `${name}.context` };
    const context = join(work, request.context);
    mkdirSync(context);
    makeContext(name, context, bases);
    makeSecrets(request, work);
    const calls = await recordCalls(root, request);
    if (callsOnly) {
      writeRecord({ ...readRecord(name), calls });
      process.stdout.write(`${name}: calls\n`);
      continue;
    }
    const built = await buildx(root, work, proxy, request);
    // What git prints on its way is not a result.
    const result = request.remote ? { ...built, logs: {} } : built;
    writeRecord(caseRecord({ name, context, result, calls, bases, versions, since }));
    const outcome = result.failure === undefined ? `${result.image?.layers.length} layers` : "an error";
    process.stdout.write(`${name}: ${result.vertices.length} vertices, ${outcome}\n`);
  }
}

/** Debian builds the engine without BuildKit's version in it; these are the ones that its releases name. */
const buildkitInEngine: Readonly<Record<string, string>> = { "28.5.2": "v0.25.2" };

async function versionsOf(root: string): Promise<Versions> {
  const ask = async (...args: string[]) => {
    const { status, stdout, stderr } = await docker(root, args);
    if (status !== 0) throw new Error(`docker ${args.join(" ")}: ${stderr.trim()}`);
    return stdout.trim();
  };
  const [engine, platform] = (
    await ask("version", "--format", "{{.Server.Version}} {{.Server.Os}}/{{.Server.Arch}}")
  ).split(" ");
  return {
    buildkit: buildkitInEngine[engine!.split("+")[0]!] ?? `the one in Docker ${engine}`,
    docker: engine!,
    buildx: (await ask("buildx", "version")).split(" ")[1] ?? "unknown",
    platform: platform!,
  };
}

await main(process.argv.slice(2));
