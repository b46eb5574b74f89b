import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { ensureDebianPackages, runtimePackages } from "./debian-packages.ts";
import { root, run } from "./run.ts";

/** Builds the hello example on a base from Debian's packages, runs it, and shows what the image is made of. */

if (process.getuid?.() !== 0) {
  process.stderr.write(
    "npm start installs Debian packages and makes a base image of some, as root. Try: sudo npm start\n" +
      "stagewright itself needs no root: docs/rootless.md\n",
  );
  process.exit(1);
}
if (ensureDebianPackages(runtimePackages).length > 0) process.exit(1);
if (!bundleIsFresh()) run("build stagewright", process.execPath, ["scripts/build.ts"]);

// Stand-ins for well-known images must never be taken for the real ones: the example has a store of its own.
const store = process.env.STAGEWRIGHT_ROOT ?? join(cacheDirectory(), "example-store");
mkdirSync(store, { recursive: true });

show("bootstrap", "debian:bookworm-slim", "--include", "golang-go", "--name", "golang:1");
show("build", "-t", "hello", "examples/hello");
show("run", "--rm", "hello");
show("images");

function cacheDirectory(): string {
  return join(
    process.env.XDG_CACHE_HOME ?? (existsSync("/var/cache") ? "/var/cache" : join(homedir(), ".cache")),
    "stagewright",
  );
}

function bundleIsFresh(): boolean {
  const bundle = statSync(join(root, "dist", "cli.cjs"), { throwIfNoEntry: false });
  if (bundle === undefined) return false;
  return globSync("src/**/*.ts", { cwd: root }).every(
    (file) => statSync(join(root, file)).mtimeMs < bundle.mtimeMs,
  );
}

function show(...args: string[]): void {
  process.stdout.write(`\n$ stagewright ${args.join(" ")}\n`);
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  const { status } = spawnSync(process.execPath, ["bin/stagewright.cjs", ...args], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...env, STAGEWRIGHT_ROOT: store },
  });
  if (status !== 0) process.exit(status ?? 1);
}
