import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { type ListingEntry, listRootfs } from "./listing.ts";
import { registryAddress } from "./registry.ts";
import { readTar, type TarInput, writeTar } from "./tar.ts";

/**
 * The images that the cases start from: made here, of Debian's static busybox and a few files that make copying
 * interesting. The same package gives the same bytes, and so the same digests.
 */

export type BaseName = "base" | "tools" | "onbuild";

export interface BaseImage {
  readonly name: BaseName;
  /** As a Dockerfile names it: loopback registry and manifest digest. */
  readonly reference: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly diffIds: readonly string[];
  /** Root filesystem; times are all fixed. */
  readonly listing: readonly ListingEntry[];
}

/** Time of everything in the images: 2024-01-01. */
const epoch = 1_704_067_200;
const created = new Date(epoch * 1000).toISOString().replace(".000Z", "Z");

/** Writes each image as an OCI layout `directory/<name>`. */
export function makeBaseImages(directory: string, cache: string): BaseImage[] {
  const busybox = busyboxLayer(cache);
  const fixtures = fixtureLayer();
  const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  const base = {
    Env: [path, "BASE_NAME=reference"],
    Cmd: ["sh"],
    Labels: { "org.example.base": "reference" },
  };
  const tool = { path: "opt/tool", type: "directory" } as const;
  const tools = [
    tool,
    { path: "opt/tool/run", type: "file", mode: 0o755, data: Buffer.from("#!/bin/sh\necho tool\n") },
    { path: "opt/tool/README", type: "file", data: Buffer.from("A tool.\n") },
    { path: "opt/current", type: "symlink", mode: 0o777, linkname: "tool" },
  ] as const;
  const triggers = {
    OnBuild: ["ENV TRIGGERED=yes", "COPY app.txt /srv/app.txt"],
    WorkingDir: "/srv",
    User: "app",
  };
  return [
    writeImage(directory, "base", base, [busybox, fixtures]),
    writeImage(directory, "tools", { WorkingDir: "/opt/tool" }, [tools]),
    writeImage(directory, "onbuild", { ...base, ...triggers }, [busybox, fixtures]),
  ];
}

function busyboxLayer(cache: string): TarInput[] {
  const busybox = busyboxOfDebian(cache);
  const applets = execFileSync(busybox, ["--list"], { encoding: "utf8" }).trim().split("\n");
  const directories = [
    "bin",
    "dev",
    "etc",
    "proc",
    "run",
    "sbin",
    "sys",
    "usr",
    "usr/bin",
    "usr/sbin",
    "var",
  ];
  const passwd = [
    "root:x:0:0:root:/root:/bin/sh",
    "daemon:x:1:1:daemon:/usr/sbin:/bin/false",
    "app:x:1000:1000:App:/home/app:/bin/sh",
  ];
  const group = ["root:x:0:", "daemon:x:1:", "staff:x:50:app", "app:x:1000:"];
  return [
    ...directories.map((path) => ({ path, type: "directory" }) as const),
    { path: "root", type: "directory", mode: 0o700 },
    { path: "tmp", type: "directory", mode: 0o1777 },
    { path: "var/tmp", type: "directory", mode: 0o1777 },
    { path: "home", type: "directory" },
    { path: "home/app", type: "directory", uid: 1000, gid: 1000 },
    { path: "etc/passwd", type: "file", data: Buffer.from(`${passwd.join("\n")}\n`) },
    { path: "etc/group", type: "file", data: Buffer.from(`${group.join("\n")}\n`) },
    { path: "bin/busybox", type: "file", mode: 0o755, data: readFileSync(busybox) },
    ...applets
      .filter((name) => name !== "busybox")
      .map((name) => ({ path: `bin/${name}`, type: "symlink", mode: 0o777, linkname: "busybox" }) as const),
  ];
}

/** cap_net_bind_service, effective and permitted, as the kernel keeps it (VFS_CAP_REVISION_2). */
export const netBindCapability = Buffer.from("0100000200040000000000000000000000000000", "hex");

function fixtureLayer(): TarInput[] {
  const file = (path: string, content: string, more: Partial<TarInput> = {}): TarInput => ({
    path,
    type: "file",
    data: Buffer.from(content),
    ...more,
  });
  return [
    { path: "srv", type: "directory" },
    { path: "srv/data", type: "directory" },
    file("srv/data/one", "one\n"),
    file("srv/data/two", "two\n", { uid: 1000, gid: 50, mode: 0o640 }),
    { path: "srv/data/deep", type: "directory", mode: 0o750 },
    file("srv/data/deep/three", "three\n"),
    { path: "srv/link", type: "symlink", mode: 0o777, linkname: "data" },
    { path: "srv/absolute", type: "symlink", mode: 0o777, linkname: "/srv/data" },
    { path: "srv/shared", type: "directory", mode: 0o2775, uid: 1000, gid: 50 },
    file("srv/hard-a", "hard\n"),
    { path: "srv/hard-b", type: "hardlink", linkname: "srv/hard-a" },
    file("srv/setuid", "setuid\n", { mode: 0o4755 }),
    file("srv/capable", "capable\n", { mode: 0o755, xattrs: { "security.capability": netBindCapability } }),
  ];
}

/** Path of the busybox of busybox-static: as installed, or from the machine's own archive and then kept in `cache`. */
function busyboxOfDebian(cache: string): string {
  const installed = installedBusybox();
  if (installed !== undefined) return installed;
  const kept = join(cache, "busybox-static", "busybox");
  if (existsSync(kept)) return kept;
  mkdirSync(dirname(kept), { recursive: true });
  const download = mkdtempSync(join(cache, ".busybox-"));
  try {
    // apt fetches as a user of its own, who must be able to write here.
    chmodSync(download, 0o777);
    execFileSync("apt-get", ["-q", "download", "busybox-static"], {
      cwd: download,
      stdio: ["ignore", "ignore", "pipe"],
    });
    const archive = readdirSync(download).find((name) => name.endsWith(".deb"));
    if (archive === undefined) throw new Error("apt-get download busybox-static left no package");
    const content = execFileSync("dpkg-deb", ["--fsys-tarfile", archive], {
      cwd: download,
      maxBuffer: 1 << 28,
    });
    const busybox = readTar(content).find(({ path }) => path.endsWith("bin/busybox"));
    if (busybox === undefined) throw new Error(`${archive} has no bin/busybox`);
    writeFileSync(join(download, "busybox"), busybox.data, { mode: 0o755 });
    renameSync(join(download, "busybox"), kept);
    return kept;
  } finally {
    rmSync(download, { recursive: true, force: true });
  }
}

function installedBusybox(): string | undefined {
  const { stdout } = spawnSync("dpkg-query", ["--listfiles", "busybox-static"], { encoding: "utf8" });
  return stdout?.split("\n").find((path) => path.endsWith("/bin/busybox") && existsSync(path));
}

function writeImage(
  directory: string,
  name: BaseName,
  runtime: object,
  layers: readonly (readonly TarInput[])[],
): BaseImage {
  const layout = join(directory, name);
  mkdirSync(join(layout, "blobs/sha256"), { recursive: true });
  const addBlob = (mediaType: string, data: Buffer) => {
    const hex = createHash("sha256").update(data).digest("hex");
    writeFileSync(join(layout, "blobs/sha256", hex), data);
    return { mediaType, digest: `sha256:${hex}`, size: data.length };
  };
  const addJson = (mediaType: string, value: unknown) =>
    addBlob(mediaType, Buffer.from(JSON.stringify(value)));
  const archives = layers.map((layer) => writeTar(layer.map((entry) => ({ mtime: epoch, ...entry }))));
  const blobs = archives.map((archive) => addBlob("application/vnd.oci.image.layer.v1.tar", archive));
  const diffIds = blobs.map(({ digest }) => digest);
  const config = {
    created,
    architecture: { x64: "amd64", arm64: "arm64" }[process.arch as string] ?? process.arch,
    os: "linux",
    config: runtime,
    rootfs: { type: "layers", diff_ids: diffIds },
    history: diffIds.map((_, index) => ({ created, created_by: `layer ${index + 1} of ${name}` })),
  };
  const manifest = addJson("application/vnd.oci.image.manifest.v1+json", {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: addJson("application/vnd.oci.image.config.v1+json", config),
    layers: blobs,
  });
  writeFileSync(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(layout, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
  return {
    name,
    reference: `${registryAddress}/${name}@${manifest.digest}`,
    config,
    diffIds,
    listing: listRootfs(archives.map(readTar), Number.POSITIVE_INFINITY),
  };
}

/** Replaces `@base@` and its like by the references of the images. */
export function withBases(text: string, bases: readonly Pick<BaseImage, "name" | "reference">[]): string {
  return bases.reduce((result, { name, reference }) => result.replaceAll(`@${name}@`, reference), text);
}
