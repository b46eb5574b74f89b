import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { digestOfFields } from "../src/core/index.ts";
import { lock } from "../src/names/index.ts";
import { type RegistryProcess, startRegistry } from "../src/registry/testing/index.ts";
import { bootstrapCache } from "../src/source/bootstrap.ts";
import { checkout, launcher, type Sandbox, tool } from "./sandbox.ts";

/** Programs that the stand-ins need; the packages that have them are in scripts/debian-packages.ts. */
const programs = ["/usr/bin/docker-registry", "/usr/bin/mmdebstrap"];
export const missingPrograms = programs.filter((program) => !existsSync(program));

/** A registry with the base images of the examples, and the settings that make it the mirror of docker.io. */
export interface StandIns {
  readonly registry: RegistryProcess;
  /** The environment in which `golang:alpine` is pulled from there, and in which scripts find `stagewright`. */
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Starts a real registry on loopback that has the stand-ins of `examples/stand-ins`. They are made once, and kept
 * where `bootstrap` keeps its root filesystems, by what they are made from. The caller stops the registry.
 */
export async function startStandIns(sandbox: Sandbox): Promise<StandIns> {
  const path = `${programDirectory(sandbox)}:${process.env.PATH}`;
  const registry = await startRegistry(undefined, await registryData(sandbox, path));
  const config = join(sandbox.directory, "mirror.toml");
  sandbox.files(".", { "mirror.toml": `[registry."docker.io"]\n  mirrors = ["${registry.host}"]\n` });
  return { registry, env: { STAGEWRIGHT_CONFIG: config, STAGEWRIGHT_ROOT: sandbox.store, PATH: path } };
}

/** A directory with a program `stagewright` in it, for scripts that call it by this name. */
function programDirectory(sandbox: Sandbox): string {
  const directory = sandbox.files("bin", {
    stagewright: `#!/bin/sh\nexec "${process.execPath}" "${launcher}" "$@"\n`,
  });
  chmodSync(join(directory, "stagewright"), 0o755);
  return directory;
}

/** The registry's files with all stand-ins; of several test processes, one makes them. */
async function registryData(sandbox: Sandbox, path: string): Promise<string> {
  const folder = join(checkout, "examples", "stand-ins");
  const recipe = ["Dockerfile", "push.sh"].map((name) => readFileSync(join(folder, name), "utf8"));
  const key = digestOfFields(process.arch, aptSources(), ...recipe).slice("sha256:".length);
  const directory = join(dirname(bootstrapCache()), "stand-ins", key);
  mkdirSync(dirname(directory), { recursive: true });
  const held = await lock(`${directory}.lock`, "exclusive");
  const temporary = `${directory}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    if (existsSync(directory)) return directory;
    const registry = await startRegistry(undefined, temporary);
    try {
      const store = join(sandbox.directory, "stand-ins-store");
      await tool(join(folder, "push.sh"), [registry.host], { env: { PATH: path, STAGEWRIGHT_ROOT: store } });
      rmSync(store, { recursive: true, force: true });
    } finally {
      registry.stop();
    }
    renameSync(temporary, directory);
    return directory;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
    held.release();
  }
}

/** Where this machine's packages come from: the stand-ins have these sources too. */
function aptSources(): string {
  const folder = "/etc/apt/sources.list.d";
  const files = existsSync(folder) ? readdirSync(folder).sort() : [];
  return ["/etc/apt/sources.list", ...files.map((name) => join(folder, name))]
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, "utf8"))
    .join("\n");
}

/** Bytes of an image, as `images` adds them up. */
export async function sizeOf(sandbox: Sandbox, name: string): Promise<number> {
  const [inspected] = JSON.parse((await sandbox.ok(["inspect", name])).stdout) as { Size: number }[];
  return inspected?.Size ?? Number.NaN;
}

/** Arguments of `build` for steps that need the network: proxies as this machine has them, if it has any. */
export const lendProxies = ["http_proxy", "https_proxy", "no_proxy"].flatMap((name) => ["--build-arg", name]);

/**
 * Starts a container of `image` in the background with one of its ports published on a free port of loopback, and
 * returns what `path` answers. A server that was just started gets ten seconds to listen.
 */
export async function answerOf(
  sandbox: Pick<Sandbox, "ok">,
  image: string,
  port: number,
  path: string,
): Promise<string> {
  const id = (await sandbox.ok(["run", "-d", "-p", `127.0.0.1::${port}`, image])).stdout.trim();
  try {
    const { stdout } = await sandbox.ok(["ps", "--no-trunc"]);
    const [, published] = new RegExp(`127\\.0\\.0\\.1:(\\d+)->${port}/tcp`).exec(stdout) ?? [];
    assert.ok(published, stdout);
    for (const end = Date.now() + 10_000; ; await sleep(50)) {
      try {
        const url = `http://127.0.0.1:${published}${path}`;
        return await (await fetch(url, { signal: AbortSignal.timeout(5_000) })).text();
      } catch (error) {
        if (Date.now() > end) throw error;
      }
    }
  } finally {
    await sandbox.ok(["rm", "-f", id]);
  }
}
