import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

/** A real docker-registry on a loopback port, with its blobs in a temporary directory. */
export interface RegistryProcess {
  /** `127.0.0.1:<port>`. */
  readonly host: string;
  /** Where it keeps what was pushed. */
  readonly directory: string;
  /**
   * Copies an image here with skopeo from whatever skopeo reads (`docker-archive:/x.tar`, `oci:/dir:tag`).
   * `options` are further arguments of `skopeo copy` (`--all`, `--format v2s2`). Returns its full name.
   */
  push(source: string, name: string, options?: readonly string[]): Promise<string>;
  /** Ends the process and removes its directory (not one that it was given). Safe to call twice. */
  stop(): void;
}

/** The one user whom a registry lets in. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

/**
 * Starts Debian's docker-registry on a free port and waits until it answers. It dies with the caller's process. Needs
 * the packages docker-registry and skopeo. With a login it wants HTTP Basic authentication (package apache2-utils).
 * With `data`, it keeps what is pushed in that directory, and serves what is there already.
 */
export async function startRegistry(login?: Login, data?: string): Promise<RegistryProcess> {
  const directory = mkdtempSync(join(tmpdir(), "registry-"));
  const users = login === undefined ? undefined : join(directory, "htpasswd");
  if (login !== undefined && users !== undefined)
    writeFileSync(users, execFileSync("htpasswd", ["-Bbn", login.username, login.password]));
  for (let attempt = 1; ; attempt++) {
    const host = `127.0.0.1:${await freePort()}`;
    const config = join(directory, "config.yml");
    writeFileSync(config, configuration(host, data ?? join(directory, "data"), users));
    const child = spawn("docker-registry", ["serve", config], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { PATH: process.env.PATH, OTEL_TRACES_EXPORTER: "none" },
    });
    const stop = stopper(child, directory);
    const failure = await untilReady(child, host);
    if (failure === undefined) return { host, directory, stop, push: (...args) => push(host, ...args) };
    child.kill("SIGKILL");
    if (attempt === 3) {
      stop();
      throw new Error(`docker-registry does not start: ${failure}`);
    }
  }
}

function configuration(host: string, root: string, users: string | undefined): string {
  const auth = users === undefined ? "" : `auth: { htpasswd: { realm: test, path: ${users} } }\n`;
  return `version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: ${root} }, delete: { enabled: true } }
http: { addr: "${host}" }
${auth}`;
}

function stopper(child: ChildProcess, directory: string): () => void {
  const stop = (): void => {
    process.removeListener("exit", stop);
    child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  };
  process.once("exit", stop);
  return stop;
}

async function untilReady(child: ChildProcess, host: string): Promise<string | undefined> {
  let errors = "";
  let ended = false;
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-4000);
  });
  child.on("error", (error) => {
    errors += error.message;
    ended = true;
  });
  child.on("exit", () => {
    ended = true;
  });
  for (let i = 0; i < 400 && !ended; i++) {
    const answer = await fetch(`http://${host}/v2/`).catch(() => undefined);
    if (answer?.ok || answer?.status === 401) return undefined;
    await sleep(25);
  }
  return errors || "it does not answer";
}

async function push(
  host: string,
  source: string,
  name: string,
  options: readonly string[] = [],
): Promise<string> {
  const full = `${host}/${name}`;
  const plain = ["--dest-tls-verify=false", "--src-tls-verify=false"];
  await promisify(execFile)("skopeo", [
    "--insecure-policy",
    "copy",
    "-q",
    ...plain,
    ...options,
    source,
    `docker://${full}`,
  ]);
  return full;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
