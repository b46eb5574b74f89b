import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BuildError, bytePathOf, defined } from "../core/index.ts";
import type { NewEntry } from "../layer/index.ts";
import { openLayerWriter } from "../layer/tar/index.ts";
import { runTool, type ToolOptions } from "./bootstrap-process.ts";
import { type BootstrapRecipe, bootstrapEpoch, ownSuite } from "./bootstrap-recipe.ts";

export type BootstrapTools = Pick<ToolOptions, "signal" | "onLine" | "env">;

const keyrings = ["/usr/share/keyrings/debian-archive-keyring.gpg", "/etc/apt/trusted.gpg.d"];

/**
 * The lines of `sources.list` for a suite: the machine's own apt sources. For another suite than the machine's, the same
 * mirrors with the suite's name put in; without any, the error says what to configure.
 */
export async function sourcesFor(suite: string, tools: BootstrapTools): Promise<string[]> {
  const format = "$(REPO_URI) $(RELEASE) $(COMPONENT)";
  const listed = await runTool(
    "apt-get",
    ["indextargets", "--format", format, "Created-By: Packages"],
    tools,
  );
  const own = ownSuite();
  const lines = new Set<string>();
  for (const line of listed.split("\n")) {
    const [uri = "", release = "", component = ""] = line.split(" ");
    if (component !== "main" || !/^(https?|file|copy|mirror)/.test(uri)) continue;
    if (release === own || release.startsWith(`${own}-`))
      for (const name of releasesFor(release, own, suite)) lines.add(`deb ${uri} ${name} main`);
    else if (release === suite || release.startsWith(`${suite}-`)) lines.add(`deb ${uri} ${release} main`);
  }
  if (lines.size > 0) return [...lines].sort();
  throw new BuildError("failed-precondition", "apt on this machine has no Debian package source", {
    hint: "bootstrap takes the mirror from /etc/apt/sources.list or /etc/apt/sources.list.d",
  });
}

/** Backports are nobody's base; unstable has neither updates nor security. */
function releasesFor(release: string, own: string, suite: string): string[] {
  const branch = release.slice(own.length);
  if (suite === own) return [release];
  if (branch.includes("backports") || branch.includes("proposed")) return [];
  if ((suite === "sid" || suite === "unstable") && branch !== "") return [];
  return [suite + branch];
}

/** What Debian's own slim images leave out; licences stay. */
const slimOptions = ["man", "info", "locale", "groff", "linda", "lintian", "doc"]
  .map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`)
  .concat("--dpkgopt=path-include=/usr/share/doc/*/copyright");

/** What the tools leave behind of the machine they ran on, or of themselves. */
const tidy = ["etc/hostname", "etc/resolv.conf", "var/cache/debconf/*-old", "var/lib/dpkg/*-old"];

const attempts = 3;
const pauseBetween = 3000;

/** A mirror that cannot be reached for a moment is no reason to give up. */
async function withRetries<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === attempts || !(error instanceof BuildError) || error.code !== "unavailable") throw error;
      await sleep(pauseBetween, undefined, defined({ signal }));
    }
  }
}

/** Makes a Debian root filesystem as a tar at `file`. Signatures are checked by apt against the machine's keyrings. */
export async function makeDebian(
  recipe: Extract<BootstrapRecipe, { kind: "debian" }>,
  sources: readonly string[],
  file: string,
  tools: BootstrapTools,
): Promise<void> {
  const { suite, slim, variant, include } = recipe;
  const args = [
    "--mode=auto",
    `--variant=${variant}`,
    "--format=tar",
    "--skip=output/dev",
    ...keyrings.filter((keyring) => existsSync(keyring)).map((keyring) => `--keyring=${keyring}`),
    ...(slim ? slimOptions : []),
    "--dpkgopt=force-unsafe-io",
    ...(include.length === 0 ? [] : [`--include=${include.join(",")}`]),
    `--customize-hook=cd "$1" && rm -f ${tidy.join(" ")}`,
    suite,
    file,
    "-",
  ];
  const env = { ...(tools.env ?? process.env), SOURCE_DATE_EPOCH: String(bootstrapEpoch) };
  await withRetries(tools.signal, () =>
    runTool("mmdebstrap", args, { ...tools, env, input: `${sources.join("\n")}\n` }),
  );
  await appendDev(file, tools);
}

/**
 * mmdebstrap either packs `/dev` with device nodes in it, which no image needs and only root can unpack, or leaves it
 * out altogether; but a container's `/dev` has to be mounted on something.
 */
async function appendDev(file: string, tools: BootstrapTools): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "dev-"));
  try {
    mkdirSync(join(directory, "dev"), { mode: 0o755 });
    const owner = ["--owner=root:0", "--group=root:0", "--mode=0755", `--mtime=@${bootstrapEpoch}`];
    const args = [
      "--append",
      `--file=${file}`,
      "--format=ustar",
      ...owner,
      `--directory=${directory}`,
      "./dev",
    ];
    await runTool("tar", args, tools);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Makes a root filesystem of Debian's busybox-static as a tar at `file`. Needs neither root nor mmdebstrap. */
export async function makeBusybox(file: string, tools: BootstrapTools): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "busybox-"));
  try {
    // As apt's own user it could not write here.
    const download = ["-o", "APT::Sandbox::User=root", "download", "-q", "busybox-static"];
    await withRetries(tools.signal, () => runTool("apt-get", download, { ...tools, cwd: directory }));
    const deb = readdirSync(directory).find((name) => name.endsWith(".deb"));
    if (deb === undefined) throw new BuildError("internal", "apt-get download left no package behind");
    await runTool("dpkg-deb", ["-x", deb, "root"], { ...tools, cwd: directory });
    const program = ["bin/busybox", "usr/bin/busybox"]
      .map((path) => join(directory, "root", path))
      .find((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
    if (program === undefined) throw new BuildError("internal", "the package busybox-static has no busybox");
    const applets = (await runTool(program, ["--list"], tools))
      .split("\n")
      .filter((name) => /^[\w.[-]+$/.test(name));
    writeBusybox(file, readFileSync(program), applets);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const directories: readonly (readonly [string, number])[] = [
  ["", 0o755],
  ["bin", 0o755],
  ["dev", 0o755],
  ["etc", 0o755],
  ["home", 0o755],
  ["lib", 0o755],
  ["proc", 0o755],
  ["root", 0o700],
  ["sbin", 0o755],
  ["sys", 0o755],
  ["tmp", 0o1777],
  ["usr", 0o755],
  ["usr/bin", 0o755],
  ["usr/sbin", 0o755],
  ["var", 0o755],
  ["var/tmp", 0o1777],
];

const files: Readonly<Record<string, string>> = {
  "etc/group": "root:x:0:\ndaemon:x:1:\nwww-data:x:33:\nnogroup:x:65534:\n",
  "etc/passwd":
    "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nwww-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n",
};

function writeBusybox(file: string, program: Uint8Array, applets: readonly string[]): void {
  const owner = { uid: 0, gid: 0, mtime: bootstrapEpoch } as const;
  const entry = (path: string, type: NewEntry["type"], mode: number, linkname = ""): NewEntry => ({
    ...owner,
    path: bytePathOf(path),
    type,
    mode,
    ...(linkname === "" ? {} : { linkname: bytePathOf(linkname) }),
  });
  const writer = openLayerWriter({ file });
  try {
    for (const [path, mode] of directories) if (path !== "") writer.add(entry(path, "directory", mode));
    writer.add(entry("bin/busybox", "file", 0o755), { kind: "bytes", bytes: program });
    for (const name of applets)
      if (name !== "busybox") writer.add(entry(`bin/${name}`, "symlink", 0o777, "busybox"));
    for (const [path, text] of Object.entries(files))
      writer.add(entry(path, "file", 0o644), { kind: "bytes", bytes: Buffer.from(text) });
    // Programs ask for env by this path.
    writer.add(entry("usr/bin/env", "symlink", 0o777, "../../bin/busybox"));
    rmSync(writer.finish().indexFile, { force: true });
  } catch (error) {
    writer.abort();
    throw error;
  }
}
