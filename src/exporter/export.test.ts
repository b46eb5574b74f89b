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
import { BuildError } from "../core/index.ts";
import { exportResult, type Output, parseOutput } from "./index.ts";
import { draftOf, has, temporaryStore, twoLayers } from "./testing/fixture.ts";

const store = temporaryStore();
after(store.remove);
let layers: readonly string[] = [];
before(async () => {
  layers = await twoLayers(store);
});

const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, { cwd: store.base, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
const to = (output: Output, names: readonly string[] = []) =>
  exportResult(draftOf(layers), output, store, { cwd: store.base, names });
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
  assert.deepEqual(parseOutput("type=docker"), { type: "docker", dest: "-", names: [] });
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
  for (const missing of ["type=registry", "type=image,push=true", "type=oci,compression=zstd"])
    assert.throws(
      () => parseOutput(missing),
      (error) => error instanceof BuildError && error.code === "unimplemented",
      missing,
    );
});

test("the same build is the same image, and writes nothing", async () => {
  const first = await to({ type: "image", names: [] }, ["hello", "hello:v1"]);
  const blobs = readdirSync(join(store.root, "blobs/sha256"));
  const inodes = blobs.map((name) => statSync(join(store.root, "blobs/sha256", name)).ino);
  const second = await to({ type: "image", names: ["hello"] });
  assert.equal(second.image?.id, first.image?.id);
  assert.deepEqual(readdirSync(join(store.root, "blobs/sha256")), blobs);
  assert.deepEqual(
    blobs.map((name) => statSync(join(store.root, "blobs/sha256", name)).ino),
    inodes,
  );
  assert.deepEqual(first.names, ["docker.io/library/hello:latest", "docker.io/library/hello:v1"]);
  assert.equal(store.names.resolve("hello:v1").id, first.image?.id);
  assert.equal(first.metadata["containerimage.config.digest"], first.image?.id);
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
    assert.equal(manifest.config.digest, oci.image?.id, source);
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
  await exportResult(draftOf(layers), { type: "tar", dest: "-" }, store, { stdout });
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
  const { image } = await exportResult(draft, { type: "image", names: [] }, store, {});
  assert.equal(image?.config.created, "2020-09-13T12:26:40Z");
  assert.ok(image?.config.history?.every((entry) => entry.created === "2020-09-13T12:26:40Z"));
  await exportResult(draft, { type: "local", dest: "dated" }, store, { cwd: store.base });
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
