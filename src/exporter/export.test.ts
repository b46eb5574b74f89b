import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { after, before, test } from "node:test";
import { BuildError, type Descriptor, hostPlatform, platformMatches } from "../core/index.ts";
import { type ExportSource, exportResult, type Output, parseAnnotation, parseOutput } from "./index.ts";
import { draftOf, has, sourceOf, temporaryStore, twoLayers } from "./testing/fixture.ts";

const store = temporaryStore();
after(store.remove);
let layers: readonly string[] = [];
before(async () => {
  layers = await twoLayers(store);
});

const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, { cwd: store.base, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
const to = (output: Output, names: readonly string[] = []) =>
  exportResult(sourceOf(draftOf(layers)), output, store, { cwd: store.base, names });
const policy = ["--insecure-policy"];

test("-o is read as buildx reads it", () => {
  assert.deepEqual(parseOutput("out/dir"), { type: "local", dest: "out/dir" });
  assert.deepEqual(parseOutput("-"), { type: "tar", dest: "-" });
  assert.deepEqual(parseOutput("type=oci,dest=a.tar,name=x"), {
    type: "oci",
    dest: "a.tar",
    names: ["docker.io/library/x:latest"],
    tar: true,
  });
  assert.deepEqual(parseOutput('type=image,"name=a,b:1"'), {
    type: "image",
    names: ["docker.io/library/a:latest", "docker.io/library/b:1"],
  });
  assert.deepEqual(parseOutput("type=docker"), { type: "docker", names: [] });
  for (const wrong of [
    "",
    "type=oci,tar=maybe",
    "type=oci,tar=false",
    "type=floppy",
    "dest=x",
    "type=local",
    'type=tar,"dest=x',
  ])
    assert.throws(
      () => parseOutput(wrong),
      (error) => error instanceof BuildError && error.code === "invalid-argument",
      wrong,
    );
  for (const missing of [
    "type=image,unpack=true,dangling-name-prefix=x",
    "type=oci,dest=x,push=true",
    "type=image,compression=estargz",
    "type=registry,name=x,registry.insecure=true",
    "type=cacheonly,name=x",
  ])
    assert.throws(
      () => parseOutput(missing),
      (error) => error instanceof BuildError && error.code === "unimplemented",
      missing,
    );
});

test("-o type=image and type=registry take BuildKit's attributes", () => {
  const names = ["localhost:5000/a:latest"];
  assert.deepEqual(parseOutput("type=registry,name=localhost:5000/a"), {
    type: "image",
    names,
    push: { byDigest: false },
  });
  assert.deepEqual(
    parseOutput(
      "type=image,name=localhost:5000/a,push=true,push-by-digest=true,name-canonical=true,store=false," +
        "compression=zstd,compression-level=9,force-compression=true,oci-mediatypes=true," +
        'annotation.a=1,annotation-index.b=2,"annotation-manifest[linux/arm64].c=x,y"',
    ),
    {
      type: "image",
      names,
      image: {
        compression: "zstd",
        compressionLevel: 9,
        ociMediaTypes: true,
        annotations: [
          { kind: "manifest", key: "a", value: "1" },
          { kind: "index", key: "b", value: "2" },
          { kind: "manifest", platform: { os: "linux", architecture: "arm64" }, key: "c", value: "x,y" },
        ],
      },
      push: { byDigest: true },
      store: false,
    },
  );
  assert.deepEqual(parseOutput("type=local,dest=x,platform-split=false"), {
    type: "local",
    dest: "x",
    split: false,
  });
  for (const wrong of [
    "type=image,name=a:1,push=true,push-by-digest=true",
    "type=image,compression=lzma",
    "type=image,compression=gzip,compression-level=10",
    "type=image,compression-level=1",
    "type=image,compression=zstd,oci-mediatypes=false",
    "type=image,annotation-floor.x=1",
  ])
    assert.throws(
      () => parseOutput(wrong),
      (error) => error instanceof BuildError && error.code === "invalid-argument",
      wrong,
    );
  for (const type of ["image", "oci", "docker", "registry"])
    for (const level of ["NaN", "", "-1", "1.5", "0x1", "1e0", " 1", "23", "99999999999999999999"])
      assert.throws(
        () => parseOutput(`type=${type},name=a,dest=b,compression=zstd,compression-level=${level}`),
        {
          code: "invalid-argument",
          message: new RegExp(`compression-level=${JSON.stringify(level)} is no level$`),
          hint: /whole number: 0 to 9 for compression=gzip, 0 to 22 for compression=zstd/,
        },
      );
  assert.throws(() => parseOutput("type=image,compression-level=NaN"), { message: /"NaN" is no level$/ });
});

test("several platforms are an index: its manifests, annotations and media types", async () => {
  const source = sourceOf(draftOf(layers), "amd64", "arm64");
  const { image } = await exportResult(source, { type: "image", names: [] }, store, {
    names: ["multi"],
    annotations: [
      ...parseAnnotation("index,manifest:who=all"),
      ...parseAnnotation("manifest-descriptor[linux/arm64]:only=arm"),
    ],
  });
  const index = JSON.parse(store.content.read(image!.target.digest).toString());
  assert.equal(index.mediaType, "application/vnd.oci.image.index.v1+json");
  assert.deepEqual(index.annotations, { who: "all" });
  assert.deepEqual(
    index.manifests.map(({ platform, annotations }: Descriptor) => [platform, annotations]),
    [
      [{ architecture: "amd64", os: "linux" }, undefined],
      [{ architecture: "arm64", os: "linux" }, { only: "arm" }],
    ],
  );
  const { annotations } = JSON.parse(store.content.read(index.manifests[0].digest).toString());
  assert.deepEqual(annotations, { who: "all" });
  const record = store.names.get("multi")!;
  assert.equal(record.target.digest, image!.target.digest);
  const own = image!.platforms.findIndex((one) => platformMatches(one, hostPlatform()));
  assert.equal(record.manifest.digest, index.manifests[Math.max(0, own)].digest);

  const docker = await exportResult(
    source,
    { type: "image", names: ["multi:docker"], image: { ociMediaTypes: false } },
    store,
  );
  const list = JSON.parse(store.content.read(docker.image!.target.digest).toString());
  assert.equal(list.mediaType, "application/vnd.docker.distribution.manifest.list.v2+json");
  const manifest = JSON.parse(store.content.read(list.manifests[1].digest).toString());
  assert.equal(manifest.config.mediaType, "application/vnd.docker.container.image.v1+json");
  assert.equal(manifest.layers[0].mediaType, "application/vnd.docker.image.rootfs.diff.tar.gzip");
});

test("annotations without a place, and a docker archive of several platforms, are refused", async () => {
  const two = sourceOf(draftOf(layers), "amd64", "arm64");
  const one = sourceOf(draftOf(layers));
  const rejects = (source: ExportSource, output: Output, annotation: string, message: RegExp) =>
    assert.rejects(
      exportResult(source, output, store, { annotations: parseAnnotation(annotation) }),
      message,
      annotation,
    );
  const image: Output = { type: "image", names: [] };
  await rejects(one, image, "index:a=b", /index annotations not supported for single platform export/);
  await rejects(two, image, "manifest[linux/s390x]:a=b", /no platform linux\/s390x found/);
  await rejects(two, { ...image, image: { ociMediaTypes: false } }, "index:a=b", /oci-mediatypes=false/);
  await rejects(
    two,
    { type: "docker", names: [], dest: "x" },
    "a=b",
    /does not support exporting manifest lists/,
  );
  assert.throws(() => parseAnnotation("nothing"), /expected key=value/);
  assert.throws(() => parseAnnotation("roof:a=b"), /unknown annotation type/);
});

test("several platforms as files: a directory each, or one without overlaps", async () => {
  const source = sourceOf(draftOf(layers), "amd64", "arm64");
  await exportResult(source, { type: "local", dest: "split" }, store, { cwd: store.base });
  assert.deepEqual(readdirSync(join(store.base, "split")), ["linux_amd64", "linux_arm64"]);
  assert.equal(readFileSync(join(store.base, "split/linux_arm64/etc/name"), "utf8"), "new");
  await exportResult(source, { type: "tar", dest: "split.tar" }, store, { cwd: store.base });
  const names = run("tar", "tf", "split.tar").split("\n");
  assert.ok(names.includes("linux_amd64/") && names.includes("linux_arm64/etc/name"), names.join());
  assert.equal(run("tar", "xOf", "split.tar", "linux_arm64/etc/twin"), "old", "hard links stay inside");
  await assert.rejects(
    exportResult(source, { type: "local", dest: "joined", split: false }, store, { cwd: store.base }),
    /cannot overwrite .* from linux\/amd64 with linux\/arm64/,
  );
});

test("the same build is the same image, and writes nothing", async () => {
  const first = await to({ type: "image", names: [] }, ["hello", "hello:v1"]);
  const blobs = readdirSync(join(store.root, "blobs/sha256"));
  const inodes = blobs.map((name) => statSync(join(store.root, "blobs/sha256", name)).ino);
  const second = await to({ type: "image", names: ["hello"] });
  assert.equal(second.image?.images[0]?.id, first.image?.images[0]?.id);
  assert.deepEqual(readdirSync(join(store.root, "blobs/sha256")), blobs);
  assert.deepEqual(
    blobs.map((name) => statSync(join(store.root, "blobs/sha256", name)).ino),
    inodes,
  );
  assert.deepEqual(first.names, ["docker.io/library/hello:latest", "docker.io/library/hello:v1"]);
  assert.equal(store.names.resolve("hello:v1").id, first.image?.images[0]?.id);
  assert.equal(first.metadata["containerimage.config.digest"], first.image?.images[0]?.id);
  assert.equal(first.metadata["image.name"], first.names.join(","));
});

test("an OCI layout: skopeo reads it, umoci unpacks it", {
  skip: !has("skopeo") || !has("umoci"),
}, async () => {
  const { image } = await to({ type: "oci", dest: "layout", tar: false, names: [] }, ["hello:v1"]);
  await to({ type: "oci", dest: "layout", tar: false, names: [] }, ["hello:v1"]); // over what is there
  const inspected = JSON.parse(run("skopeo", ...policy, "inspect", "oci:layout:v1"));
  assert.equal(inspected.Digest, image?.target.digest);
  assert.deepEqual(inspected.Env, ["PATH=/bin", "A=<&>"]);
  run("umoci", "unpack", "--image", "layout:v1", "bundle");
  const root = join(store.base, "bundle/rootfs");
  assert.deepEqual(readdirSync(join(root, "etc")), ["name", "twin"]);
  assert.equal(readFileSync(join(root, "etc/name"), "utf8"), "new");
  assert.equal(readFileSync(join(root, "etc/twin"), "utf8"), "old");
  assert.equal(readlinkSync(join(root, "usr/bin")), "../bin");
  assert.equal(statSync(join(root, "bin/tool")).mode & 0o7777, 0o4755);
  assert.equal(statSync(join(root, "usr/tool")).ino, statSync(join(root, "bin/tool")).ino);
});

test("archives: skopeo copies both kinds and finds the same configuration", {
  skip: !has("skopeo"),
}, async () => {
  const oci = await to({ type: "oci", dest: "oci.tar", tar: true, names: [] }, ["hello:v1"]);
  await to({ type: "docker", dest: "docker.tar", names: [] }, ["hello:v1"]);
  assert.equal(
    JSON.parse(run("skopeo", ...policy, "inspect", "oci-archive:oci.tar")).Digest,
    oci.image?.target.digest,
  );
  for (const source of ["oci-archive:oci.tar", "docker-archive:docker.tar:hello:v1"]) {
    const target = `copy-${source.split(":")[0]}`;
    run("skopeo", ...policy, "copy", source, `dir:${target}`);
    const manifest = JSON.parse(readFileSync(join(store.base, target, "manifest.json"), "utf8"));
    assert.equal(manifest.config.digest, oci.image?.images[0]?.id, source);
  }
  assert.deepEqual(JSON.parse(run("tar", "xOf", "docker.tar", "manifest.json"))[0].RepoTags, ["hello:v1"]);
});

test("a root filesystem as one tar, by file and by stream", async () => {
  await to({ type: "tar", dest: "sub/rootfs.tar" });
  const listing = run("tar", "tvf", "sub/rootfs.tar", "--numeric-owner").trim().split("\n");
  const names = listing.map((line) => line.split(/ \d\d:\d\d /)[1]);
  assert.deepEqual(names, [
    "bin/",
    "bin/tool",
    "etc/",
    "etc/name",
    "etc/twin",
    "private/",
    "private/key",
    "usr/",
    "usr/bin -> ../bin",
    "usr/tool link to bin/tool",
  ]);
  assert.match(listing[1] ?? "", /^-rwsr-xr-x 0\/0/);
  assert.match(listing[6] ?? "", /^-rw------- 1000\/0/);
  assert.equal(run("tar", "xOf", "sub/rootfs.tar", "etc/twin"), "old");
  assert.equal(run("tar", "xOf", "sub/rootfs.tar", "etc/name"), "new");
  assert.deepEqual(readdirSync(join(store.base, "sub")), ["rootfs.tar"], "nothing temporary stays");
  const stdout = new PassThrough();
  const pieces: Buffer[] = [];
  stdout.on("data", (piece) => pieces.push(piece));
  await exportResult(sourceOf(draftOf(layers)), { type: "tar", dest: "-" }, store, { stdout });
  assert.deepEqual(Buffer.concat(pieces), readFileSync(join(store.base, "sub/rootfs.tar")));
});

test("a directory: files, links, modes and times; nothing through a symlink", async () => {
  const out = join(store.base, "out");
  const outside = join(store.base, "outside");
  mkdirSync(out);
  mkdirSync(outside);
  symlinkSync(outside, join(out, "etc")); // a directory of the image goes here
  writeFileSync(join(outside, "victim"), "safe");
  mkdirSync(join(out, "bin"));
  symlinkSync(join(outside, "victim"), join(out, "bin/tool")); // a file of the image goes here
  mkdirSync(join(out, "usr/bin"), { recursive: true }); // a symlink of the image goes here
  writeFileSync(join(out, "mine"), "stays");
  chmodSync(join(out, "bin"), 0o500);
  await to({ type: "local", dest: "out" });
  await to({ type: "local", dest: "out" });
  assert.deepEqual(readdirSync(outside), ["victim"]);
  assert.equal(readFileSync(join(outside, "victim"), "utf8"), "safe");
  assert.deepEqual(readdirSync(out), ["bin", "etc", "mine", "private", "usr"]);
  assert.ok(lstatSync(join(out, "etc")).isDirectory());
  assert.equal(readFileSync(join(out, "etc/name"), "utf8"), "new");
  assert.deepEqual(readdirSync(join(out, "bin")), ["tool"]);
  assert.equal(readlinkSync(join(out, "usr/bin")), "../bin");
  assert.equal(statSync(join(out, "usr/tool")).ino, statSync(join(out, "bin/tool")).ino);
  assert.equal(statSync(join(out, "private")).mode & 0o7777, 0o700);
  assert.equal(statSync(join(out, "private")).uid, process.getuid?.());
  assert.equal(statSync(join(out, "bin/tool")).mtimeMs, 1_700_000_000_000);
  assert.equal(statSync(join(out, "private")).mtimeMs, 1_700_000_000_000);
});

test("SOURCE_DATE_EPOCH moves times back, in images and in files", async () => {
  const draft = { ...draftOf(layers), epoch: 1_600_000_000_000 };
  const { image } = await exportResult(sourceOf(draft), { type: "image", names: [] }, store, {});
  assert.equal(image?.images[0]?.config.created, "2020-09-13T12:26:40Z");
  assert.ok(image?.images[0]?.config.history?.every((entry) => entry.created === "2020-09-13T12:26:40Z"));
  await exportResult(sourceOf(draft), { type: "local", dest: "dated" }, store, { cwd: store.base });
  assert.equal(statSync(join(store.base, "dated/etc/name")).mtimeMs, 1_600_000_000_000);
});

test("a destination of the wrong kind is refused and left alone", async () => {
  mkdirSync(join(store.base, "occupied"));
  for (const output of [
    { type: "tar", dest: "occupied" },
    { type: "docker", dest: "occupied", names: [] },
    { type: "oci", dest: "occupied", names: [], tar: true },
  ] as const)
    await assert.rejects(
      to(output),
      (error) => error instanceof BuildError && error.code === "failed-precondition",
    );
  assert.deepEqual(readdirSync(join(store.base, "occupied")), []);
  assert.ok(!existsSync(join(store.base, "occupied.tmp")));
});
