import assert from "node:assert/strict";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type RegistryProcess, startRegistry } from "../src/registry/testing/index.ts";
import { startDockerEngine } from "./docker-engine.ts";
import { createSandbox, isRoot, launcher, tool } from "./sandbox.ts";

const missing = ["/usr/bin/docker-registry", "/usr/bin/skopeo"].filter((program) => !existsSync(program));

/** What of an ELF header says that a program is for LoongArch, which no machine of ours is. */
const loongArch = 258;

/** A program that ends at once on arm64; for another machine, by the header, it is not one at all. */
function foreignProgram(machine = 183): Uint8Array {
  const exit = [0xd2800000, 0xd2800ba8, 0xd4000001]; // x0 = 0; x8 = exit; svc
  const size = 120 + 4 * exit.length;
  const file = Buffer.alloc(size);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(2, 16);
  file.writeUInt16LE(machine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(0x400078n, 24);
  file.writeBigUInt64LE(64n, 32);
  for (const [i, value] of [64, 56, 1].entries()) file.writeUInt16LE(value, 52 + 2 * i);
  file.writeUInt32LE(1, 64);
  file.writeUInt32LE(5, 68);
  for (const at of [80, 88]) file.writeBigUInt64LE(0x400000n, at);
  for (const at of [96, 104]) file.writeBigUInt64LE(BigInt(size), at);
  file.writeBigUInt64LE(0x1000n, 112);
  for (const [i, word] of exit.entries()) file.writeUInt32LE(word, 120 + 4 * i);
  return file;
}

interface Described {
  readonly digest: string;
  readonly mediaType: string;
  readonly platform: { readonly os: string; readonly architecture: string; readonly variant?: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

describe("several platforms", { skip: missing.length > 0 && `needs ${missing.join(", ")}` }, () => {
  const sandbox = createSandbox("platforms");
  const context = sandbox.files("app", {
    Dockerfile: `FROM scratch AS files
ARG TARGETPLATFORM TARGETARCH TARGETVARIANT BUILDPLATFORM
COPY <<EOF /target
$TARGETPLATFORM $TARGETARCH $TARGETVARIANT built on $BUILDPLATFORM
EOF
COPY shared /shared
LABEL of=$TARGETPLATFORM
`,
    shared: "the same for all\n".repeat(1000),
  });
  const three = "linux/amd64,linux/aarch64,linux/arm";
  const names = ["linux/amd64", "linux/arm64", "linux/arm/v7"];
  let registry: RegistryProcess;
  before(async () => {
    registry = await startRegistry();
  });
  after(() => registry?.stop());

  const raw = async (name: string) =>
    JSON.parse(await tool("skopeo", ["inspect", "--raw", "--tls-verify=false", name])) as {
      mediaType: string;
      annotations?: Record<string, string>;
      manifests: Described[];
    };
  const nameOf = ({ os, architecture, variant }: Described["platform"]) =>
    [os, architecture, variant].filter((part) => part !== undefined).join("/");
  const platformNames = (manifests: readonly Described[]) =>
    manifests.map(({ platform }) => nameOf(platform));
  const fails = async (args: readonly string[], message: RegExp) => {
    const { code, stderr } = await sandbox.run(args);
    assert.notEqual(code, 0, args.join(" "));
    assert.match(stderr, message, args.join(" "));
  };

  test("an index in the store, of which every command takes one image", async () => {
    const metadata = join(sandbox.directory, "meta.json");
    const { stdout, stderr } = await sandbox.ok([
      ...["build", "--progress", "plain", "--platform", three, "-t", "app", "--metadata-file", metadata],
      ...["--iidfile", join(sandbox.directory, "iid"), context],
    ]);
    assert.equal(stdout, "");
    for (const name of names) assert.match(stderr, new RegExp(`\\[${name} 2/2\\] COPY shared`));
    const written = JSON.parse(readFileSync(metadata, "utf8"));
    assert.equal(readFileSync(join(sandbox.directory, "iid"), "utf8"), written["containerimage.digest"]);
    assert.equal(written["containerimage.descriptor"].mediaType, "application/vnd.oci.image.index.v1+json");
    assert.equal(written["containerimage.config.digest"], undefined);
    assert.match(
      (await sandbox.ok(["images", "--digests", "app"])).stdout,
      new RegExp(written["containerimage.digest"]),
    );
    for (const name of names) {
      const [image] = JSON.parse((await sandbox.ok(["inspect", "--platform", name, "app"])).stdout);
      assert.deepEqual(image.Config.Labels, { of: name });
      assert.equal(nameOf({ os: image.Os, architecture: image.Architecture, variant: image.Variant }), name);
    }
    assert.match(
      (await sandbox.ok(["history", "--platform", "linux/arm64", "app"])).stdout,
      /LABEL of=linux\/arm64/,
    );
    await fails(["inspect", "--platform", "linux/s390x", "app"], /no match for platform linux\/s390x/);
    await fails(["run", "--platform", "linux/s390x", "app", "x"], /s390x/);
    const again = await sandbox.ok(["build", "--platform", three, "-q", "-t", "app", context]);
    assert.equal(again.stdout.trim(), written["containerimage.digest"], "a second build is the same index");
  });

  test("files: a directory for each platform", async () => {
    const out = join(sandbox.directory, "out");
    await sandbox.ok(["build", "--platform", three, "-o", out, context]);
    assert.deepEqual(readdirSync(out), ["linux_amd64", "linux_arm64", "linux_arm_v7"]);
    const said = readFileSync(join(out, "linux_arm_v7", "target"), "utf8");
    assert.match(said, /^linux\/arm\/v7 arm v7 built on linux\/(amd64|arm64)\n$/);
    const tar = join(sandbox.directory, "out.tar");
    await sandbox.ok(["build", "--platform", three, "-o", `type=tar,dest=${tar}`, context]);
    assert.match(await tool("tar", ["xOf", tar, "linux_arm64/target"]), /^linux\/arm64 arm64 {2}built/);
    await fails(
      ["build", "--platform", three, "-o", `type=local,platform-split=false,dest=${out}-2`, context],
      /cannot overwrite .* when split option is disabled/,
    );
    await fails(
      ["build", "--platform", three, "-o", `type=docker,dest=${tar}`, context],
      /docker exporter does not support exporting manifest lists/,
    );
  });

  test("archives: skopeo finds the index, and each image in it", async () => {
    const oci = join(sandbox.directory, "app.oci.tar");
    await sandbox.ok([
      ...["build", "--platform", three, "-o", `type=oci,dest=${oci},compression=zstd,compression-level=19`],
      ...[
        "--annotation",
        "index,manifest:who=us",
        "--annotation",
        "manifest-descriptor[linux/arm64]:cpu=arm",
      ],
      ...["-t", "app", context],
    ]);
    const index = await raw(`oci-archive:${oci}`);
    assert.deepEqual(platformNames(index.manifests), names);
    assert.deepEqual(index.annotations, { who: "us" });
    assert.deepEqual(index.manifests[1]?.annotations, { cpu: "arm" });
    const layout = join(sandbox.directory, "layout");
    await tool("skopeo", ["copy", "--insecure-policy", "--all", `oci-archive:${oci}`, `oci:${layout}:app`]);
    const manifest = JSON.parse(
      readFileSync(join(layout, "blobs/sha256", index.manifests[1]!.digest.slice(7)), "utf8"),
    );
    assert.deepEqual(manifest.annotations, { who: "us" });
    assert.equal(manifest.layers[1].mediaType, "application/vnd.oci.image.layer.v1.tar+zstd");
    const saved = join(sandbox.directory, "saved.tar");
    await sandbox.ok(["save", "--format", "oci", "-o", saved, "app"]);
    assert.equal((await raw(`oci-archive:${saved}`)).manifests.length, 3);
    await sandbox.ok(["save", "--platform", "linux/arm64", "-o", saved, "app"]);
    const config = JSON.parse(await tool("skopeo", ["inspect", "--config", `docker-archive:${saved}`]));
    assert.equal(config.architecture, "arm64");
    await fails(["build", "--annotation", "index:a=b", context], /not supported for single platform/);
    await fails(["build", "--annotation", "a", context], /expected key=value/);
  });

  test("the registry gets the whole index; parts of it are pulled, and pushed on", async () => {
    const name = `${registry.host}/team/app:1`;
    const metadata = join(sandbox.directory, "pushed.json");
    await sandbox.ok([
      ...[
        "build",
        "--platform",
        three,
        "-o",
        `type=registry,name=${name}`,
        "--metadata-file",
        metadata,
        context,
      ],
    ]);
    const digest = JSON.parse(readFileSync(metadata, "utf8"))["containerimage.digest"];
    const index = await raw(`docker://${name}`);
    assert.deepEqual(platformNames(index.manifests), names);
    const second = await sandbox.ok(["push", name]);
    assert.match(second.stdout, new RegExp(`Digest: ${digest}`));
    assert.doesNotMatch(second.stderr, /Pushed/, "nothing is sent again");

    const elsewhere = { env: { STAGEWRIGHT_ROOT: join(sandbox.directory, "elsewhere") } };
    const pulled = await sandbox.ok(["pull", "--platform", "linux/arm64,linux/arm/v7", name], elsewhere);
    assert.match(pulled.stdout, new RegExp(`Digest: ${digest}`));
    for (const [i, platform] of names.entries()) {
      const { code } = await sandbox.run(["history", "--platform", platform, name], elsewhere);
      assert.equal(code === 0, i > 0, platform);
    }
    const part = `${registry.host}/team/part:1`;
    await sandbox.ok(["tag", name, part], elsewhere);
    await sandbox.ok(["push", part], elsewhere);
    assert.deepEqual(platformNames((await raw(`docker://${part}`)).manifests), names.slice(1));
    await sandbox.ok(["push", "--platform", "linux/arm64", part], elsewhere);
    assert.equal((await raw(`docker://${part}`)).manifests, undefined);
    await sandbox.ok(["pull", name], elsewhere);
    assert.match((await sandbox.ok(["push", name], elsewhere)).stdout, new RegExp(`Digest: ${digest}`));
  });

  test("a platform of which only the description is here is fetched when it is needed", async () => {
    const name = `${registry.host}/team/app:1`;
    const lazy = { env: { STAGEWRIGHT_ROOT: join(sandbox.directory, "lazy") } };
    await sandbox.ok(["pull", "--platform", "linux/arm64", name], lazy);
    const build = ["build", "--platform", "linux/arm/v7", "-o"];
    const described = sandbox.files("described", { Dockerfile: `FROM ${name}\nLABEL a=b\n` });
    await sandbox.ok(["build", "--call", "outline", "--platform", "linux/arm/v7", described], lazy);
    const copied = sandbox.files("copied", { Dockerfile: `FROM scratch\nCOPY --from=${name} /target /\n` });
    const out = join(sandbox.directory, "copied-out");
    await sandbox.ok([...build, out, copied], lazy);
    assert.match(readFileSync(join(out, "target"), "utf8"), /^linux\/arm\/v7 /);
  });

  test("an index without this machine's platform is exported, saved and described", async () => {
    const archive = join(sandbox.directory, "odd.tar");
    const build = ["build", "-q", "--platform", "linux/s390x,linux/riscv64", "-t", "odd"];
    await sandbox.ok([...build, "-o", `type=oci,dest=${archive}`, context]);
    assert.equal((await raw(`oci-archive:${archive}`)).manifests.length, 2);
    await sandbox.ok([...build, context]);
    await sandbox.ok(["save", "--format", "oci", "-o", archive, "odd"]);
    assert.equal((await raw(`oci-archive:${archive}`)).manifests.length, 2);
    await sandbox.ok(["save", "-o", archive, "odd"]);
    const config = JSON.parse(await tool("skopeo", ["inspect", "--config", `docker-archive:${archive}`]));
    assert.equal(config.architecture, "s390x");
    const child = sandbox.files("child", { Dockerfile: "FROM odd\n" });
    await fails(
      ["build", "--platform", "linux/arm64", child],
      /odd:latest is in the local store for linux\/s390x,linux\/riscv64 only, not for linux\/arm64/,
    );
  });

  const noDocker = (!isRoot || !existsSync("/usr/sbin/dockerd")) && "needs root and docker.io";
  test("Docker pulls its own image from the index, digests equal", { skip: noDocker }, async () => {
    const name = `${registry.host}/team/app:1`;
    const engine = await startDockerEngine(join(sandbox.directory, "engine"));
    try {
      const [, digest] = /Digest: (sha256:\w+)/.exec((await sandbox.ok(["push", name])).stdout) ?? [];
      assert.match(await engine.docker("pull", name), new RegExp(`Digest: ${digest}`));
      for (const platform of ["linux/amd64", "linux/arm64"]) {
        await engine.docker("pull", "--platform", platform, name);
        const id = (await engine.docker("image", "inspect", "--format", "{{.Id}}", name)).trim();
        const [image] = JSON.parse((await sandbox.ok(["inspect", "--platform", platform, name])).stdout);
        assert.equal(id, image.Id, platform);
      }
    } finally {
      await engine.stop();
    }
  });

  test("by digest, without a name here, in Docker's media types", async () => {
    const repository = `${registry.host}/team/digest`;
    const metadata = join(sandbox.directory, "digest.json");
    const attributes = "push-by-digest=true,name-canonical=true,push=true,store=false,oci-mediatypes=false";
    await sandbox.ok([
      ...["build", "--platform", three, "-o", `type=image,name=${repository},${attributes}`],
      ...["--metadata-file", metadata, context],
    ]);
    const digest = JSON.parse(readFileSync(metadata, "utf8"))["containerimage.digest"];
    const list = await raw(`docker://${repository}@${digest}`);
    assert.equal(list.mediaType, "application/vnd.docker.distribution.manifest.list.v2+json");
    for (const { mediaType } of list.manifests)
      assert.equal(mediaType, "application/vnd.docker.distribution.manifest.v2+json");
    assert.doesNotMatch((await sandbox.ok(["images"])).stdout, /team\/digest/);
    const answer = await fetch(`http://${registry.host}/v2/team/digest/tags/list`);
    const tags = await answer.text();
    assert.equal(JSON.parse(tags).tags ?? undefined, undefined);
    await fails(
      ["build", "-o", `type=registry,name=${repository}:tag,push-by-digest=true`, context],
      /can't push tagged ref .* by digest/,
    );
  });

  test("type=cacheonly leaves nothing but the cache", async () => {
    const cold = join(sandbox.directory, "cold");
    await sandbox.ok(["build", "-o", "type=cacheonly", context], { env: { STAGEWRIGHT_ROOT: cold } });
    assert.equal(statSync(join(cold, "names"), { throwIfNoEntry: false }), undefined);
  });

  describe("RUN", { skip: !isRoot && "RUN needs root" }, () => {
    test("what is for the build platform runs once; the rest is named after where and for what", async () => {
      await sandbox.ok(["bootstrap", "busybox"]);
      const native = sandbox.files("native", {
        Dockerfile: `FROM --platform=$BUILDPLATFORM busybox AS build
RUN echo once > /once
ARG TARGETPLATFORM
RUN echo "$TARGETPLATFORM" > /for
FROM scratch
COPY --from=build /once /for /
`,
      });
      const out = join(sandbox.directory, "crossed");
      const { stderr } = await sandbox.ok([
        ...["build", "--progress", "plain", "--platform", "linux/arm64,linux/s390x", "-o", out, native],
      ]);
      const started = (text: string) =>
        new Set(
          [...stderr.matchAll(new RegExp(`^(#\\d+) \\[[^\\]]*\\] RUN echo ${text}`, "gm"))].map(
            ([, id]) => id,
          ),
        );
      assert.equal(started("once").size, 1);
      assert.equal(started('"linux/').size, 2);
      assert.match(stderr, /\[linux\/\w+->s390x build 3\/3\] RUN/);
      assert.equal(readFileSync(join(out, "linux_s390x", "for"), "utf8"), "linux/s390x\n");
    });

    const busybox = "/bin/busybox";
    for (const [flags, how] of [
      ["F", "which the kernel holds open"],
      ["", "which is mounted into the step"],
    ] as const)
      test(`through an interpreter of binfmt_misc ${how}`, {
        skip: !existsSync(busybox) && "needs busybox-static",
      }, async () => {
        const emulated = sandbox.files(`emulated-${flags}`, {
          Dockerfile: 'FROM scratch\nCOPY program /program\nRUN ["/program"]\n',
        });
        writeFileSync(join(emulated, "program"), foreignProgram(loongArch), { mode: 0o755 });
        // As an interpreter, cat is started with the path of the program: it succeeds where nothing else would.
        const interpreter = join(sandbox.directory, "cat");
        copyFileSync(busybox, interpreter);
        chmodSync(interpreter, 0o755);
        const bytes = (list: readonly number[]) =>
          list.map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
        const magic = bytes([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 1]);
        const entry = `stagewright-test-${process.pid}`;
        const out = join(sandbox.directory, `emulated-${flags}.tar`);
        // In a mount namespace of its own; where binfmt_misc is mounted outside too, the entry has to be taken back.
        const script = `set -e
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
trap 'echo -1 > /proc/sys/fs/binfmt_misc/${entry}' EXIT
printf '%s' ':${entry}:M::${magic}::${interpreter}:${flags}' > /proc/sys/fs/binfmt_misc/register
"$@"`;
        const build = ["build", "--no-cache", "--platform", "linux/loong64", "-o", `type=tar,dest=${out}`];
        const built = await tool(
          "unshare",
          ["-m", "sh", "-c", script, "sh", process.execPath, launcher, ...build, emulated],
          { env: { STAGEWRIGHT_ROOT: sandbox.store } },
        );
        assert.equal(built, "");
        assert.equal(
          (await tool("tar", ["tf", out])).trim(),
          "program",
          "nothing of the interpreter is left",
        );
      });

    test("without an emulator it is refused, with its line and what to install", async () => {
      const foreign = sandbox.files("foreign", {
        Dockerfile: 'FROM scratch\nCOPY program /program\nRUN ["/program"]\n',
      });
      writeFileSync(join(foreign, "program"), foreignProgram(), { mode: 0o755 });
      const built = await sandbox.run(["build", "--platform", "linux/arm64", foreign]);
      const emulated =
        process.arch === "arm64" || readdirSync("/proc/sys/fs/binfmt_misc").includes("qemu-aarch64");
      if (emulated) return void assert.equal(built.code, 0, built.stderr);
      assert.equal(built.code, 1);
      assert.match(built.stderr, />>> RUN \["\/program"\]/);
      assert.match(built.stderr, /no emulator for linux\/arm64/);
      assert.match(built.stderr, /apt-get install qemu-user-static/);
    });
  });
});
