import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { BuildError, type Bytes, collect, digestOf, hexOf } from "../../core/index.ts";
import { draftOf, has, temporaryStore, twoLayers } from "../../exporter/testing/fixture.ts";
import { type Image, imageFromSnapshot, snapshotOf } from "../index.ts";
import { loadArchive, saveArchive, writeLayout } from "./index.ts";

const source = temporaryStore();
const opened = [source];
after(() => {
  for (const { remove } of opened) remove();
});
let image: Image;
let dockerTar: Buffer;
before(async () => {
  image = await imageFromSnapshot(draftOf(await twoLayers(source)), source);
  dockerTar = await collect(
    saveArchive([{ target: image.target, names }], "docker", source.content),
    1 << 24,
  );
});

const names = ["docker.io/library/hello:v1", "localhost:5000/a/b:latest"];
const fresh = () => {
  const store = temporaryStore();
  opened.push(store);
  return store;
};

async function* bytes(data: Uint8Array): Bytes {
  for (let at = 0; at < data.length; at += 1000) yield data.subarray(at, at + 1000);
}

const run = (...[command = "", ...args]: string[]) =>
  execFileSync(command, args, { cwd: source.base, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** Everything that a store has, temporary files included. Locks, trash and notes of what was made do not count. */
const filesOf = (root: string) =>
  ["blobs", "ingest", "names", "layers"].flatMap((part) =>
    existsSync(join(root, part))
      ? readdirSync(join(root, part), { recursive: true, encoding: "utf8" }).filter(
          (file) => statSync(join(root, part, file)).isFile() && !file.startsWith("by-diff/"),
        )
      : [],
  );

test("what is saved loads to the same digests, in both formats, plain and compressed", async () => {
  const oci = await collect(saveArchive([{ target: image.target, names }], "oci", source.content), 1 << 24);
  for (const archive of [dockerTar, oci, gzipSync(dockerTar), zstdCompressSync(oci)]) {
    const store = fresh();
    const [loaded, ...more] = await loadArchive(bytes(archive), store);
    assert.equal(more.length, 0);
    assert.equal(loaded?.image.id, image.id);
    assert.equal(loaded?.image.target.digest, image.target.digest);
    assert.deepEqual(loaded?.names, names);
    assert.deepEqual(readdirSync(join(store.root, "ingest")), []);
    const rootfs = await store.layers.rootfs(await snapshotOf(loaded!.image, store));
    assert.equal(rootfs.read("etc/name").toString(), "new");
    assert.equal(rootfs.lookup("etc/gone"), undefined);
  }
});

test("the same images give the same archive", async () => {
  const again = await collect(
    saveArchive([{ target: image.target, names }], "docker", source.content),
    1 << 24,
  );
  assert.deepEqual(again, dockerTar);
});

test("a layout directory loads; links in it are not followed", async () => {
  const directory = source.path("layout");
  await writeLayout(directory, [{ target: image.target, names }], source.content);
  const [loaded] = await loadArchive(directory, fresh());
  assert.equal(loaded?.image.target.digest, image.target.digest);
  const linked = source.path("linked");
  mkdirSync(linked);
  symlinkSync(join(directory, "index.json"), join(linked, "index.json"));
  await assert.rejects(loadArchive(linked, fresh()), isError("invalid-argument"));
});

test("an archive without names is an image without names", async () => {
  const archive = await collect(
    saveArchive([{ target: image.target, names: [] }], "docker", source.content),
    1 << 24,
  );
  const [loaded] = await loadArchive(bytes(archive), fresh());
  assert.deepEqual(loaded?.names, []);
});

test("archives that skopeo makes load", { skip: !has("skopeo") }, async () => {
  writeFileSync(source.path("saved.tar"), dockerTar);
  await writeLayout(source.path("saved"), [{ target: image.target, names: ["hello:v1"] }], source.content);
  const copies = [
    ["docker-archive:saved.tar:hello:v1", "docker-archive:re-docker.tar:hello:v1"],
    ["oci:saved:v1", "oci-archive:re-oci.tar:hello:v1"],
  ] as const;
  for (const [from, target] of copies) {
    run("skopeo", "--insecure-policy", "copy", from, target);
    const store = fresh();
    const [loaded] = await loadArchive(source.path(target.split(":")[1]!), store);
    assert.equal(loaded?.image.id, image.id, target);
    assert.deepEqual(loaded?.names, ["docker.io/library/hello:v1"]);
  }
});

/** A docker archive as Docker 1.10 to 24 wrote it, changed by the test. */
function oldArchive(
  change: (members: Map<string, Uint8Array>) => void,
  extra?: (tree: string) => void,
): Buffer {
  const tree = source.path(`old-${Math.random()}`);
  const members = new Map<string, Uint8Array>();
  const layers = image.config.rootfs.diff_ids.map((diffId, i) => {
    members.set(`${i}/layer.tar`, readFileSync(source.content.path(diffId)));
    return `${i}/layer.tar`;
  });
  members.set(`${hexOf(image.id)}.json`, image.rawConfig);
  const entry = { Config: `${hexOf(image.id)}.json`, RepoTags: ["old:1"], Layers: layers };
  members.set("manifest.json", Buffer.from(JSON.stringify([entry])));
  change(members);
  for (const [path, data] of members) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), data);
  }
  extra?.(tree);
  return execFileSync("tar", ["cPf", "-", "-C", tree, "."], { maxBuffer: 1 << 26 });
}

test("old archives load, with compressed layers and with linked ones", async () => {
  const plain = oldArchive(() => {});
  const compressed = oldArchive((members) => {
    for (const [path, data] of members) if (path.endsWith("layer.tar")) members.set(path, gzipSync(data));
  });
  const linked = oldArchive(
    (members) => {
      members.set("real.tar", members.get("0/layer.tar")!);
      members.delete("0/layer.tar");
    },
    (tree) => {
      mkdirSync(join(tree, "0"), { recursive: true });
      symlinkSync("../real.tar", join(tree, "0/layer.tar"));
    },
  );
  for (const archive of [plain, compressed, linked]) {
    const [loaded] = await loadArchive(bytes(archive), fresh());
    assert.equal(loaded?.image.id, image.id);
    assert.deepEqual(loaded?.names, ["docker.io/library/old:1"]);
  }
});

function isError(...codes: string[]) {
  return (error: unknown) => {
    assert.ok(error instanceof BuildError, String((error as Error).stack));
    assert.ok(codes.includes(error.code), `${error.code}: ${error.message}`);
    return true;
  };
}

test("hostile and broken archives are refused, and leave the store as it was", async () => {
  const set = (path: string, text: string) => oldArchive((members) => members.set(path, Buffer.from(text)));
  const manifest = (value: unknown) => set("manifest.json", JSON.stringify(value));
  const config = `${hexOf(image.id)}.json`;
  const good = { Config: config, RepoTags: ["x:1"], Layers: ["0/layer.tar", "1/layer.tar"] };
  const outside = source.path("outside.tar");
  writeFileSync(outside, "not for you");
  const cases: Record<string, [Uint8Array, ...string[]]> = {
    "no tar at all": [Buffer.from("hello".repeat(1000)), "invalid-argument"],
    "an empty file": [Buffer.alloc(0), "invalid-argument"],
    "cut short": [dockerTar.subarray(0, 3000), "invalid-argument"],
    "cut short, compressed": [gzipSync(dockerTar).subarray(0, 900), "invalid-argument"],
    "damaged xz": [Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0]), "invalid-argument"],
    "JSON that is none": [set("manifest.json", "[{"), "invalid-argument"],
    "JSON of a wrong shape": [set("manifest.json", '[{"Config":7}]'), "invalid-argument"],
    "a missing layer": [manifest([{ ...good, Layers: ["0/layer.tar", "9/layer.tar"] }]), "not-found"],
    "too few layers": [manifest([{ ...good, Layers: ["0/layer.tar"] }]), "invalid-argument"],
    "swapped layers": [manifest([{ ...good, Layers: ["1/layer.tar", "0/layer.tar"] }]), "data-loss"],
    "another configuration": [
      set(config, image.rawConfig.toString().replace("hello", "other").concat(" ")),
      "data-loss",
    ],
    "a path out of the archive": [manifest([{ ...good, Config: "../../etc/passwd" }]), "invalid-argument"],
    "a bad name": [manifest([{ ...good, RepoTags: ["UPPER CASE"] }]), "invalid-argument"],
    "a link out of the archive": [
      oldArchive(
        (members) => members.delete("0/layer.tar"),
        (tree) => {
          mkdirSync(join(tree, "0"), { recursive: true });
          symlinkSync("../../outside.tar", join(tree, "0/layer.tar"));
        },
      ),
      "invalid-argument",
    ],
    "an absolute link": [
      oldArchive(
        (members) => members.delete("0/layer.tar"),
        (tree) => {
          mkdirSync(join(tree, "0"), { recursive: true });
          symlinkSync(outside, join(tree, "0/layer.tar"));
        },
      ),
      "invalid-argument",
      "not-found",
      "data-loss",
    ],
    "a damaged layer": [
      oldArchive((members) => members.set("1/layer.tar", Buffer.alloc(2048, 7))),
      "data-loss",
    ],
  };
  for (const [name, [archive, ...codes]] of Object.entries(cases)) {
    const store = fresh();
    await assert.rejects(loadArchive(bytes(archive), store), isError(...codes), name);
    assert.deepEqual(filesOf(store.root), [], name);
  }
});

test("a layout with a wrong digest, size or media is refused", async () => {
  const break_ = async (change: (directory: string) => void) => {
    const directory = source.path(`broken-${Math.random()}`);
    await writeLayout(directory, [{ target: image.target, names }], source.content);
    change(directory);
    const store = fresh();
    await assert.rejects(
      loadArchive(directory, store),
      isError("data-loss", "not-found", "invalid-argument", "unimplemented"),
    );
    assert.deepEqual(filesOf(store.root), []);
  };
  const blob = (directory: string, digest: string) => join(directory, "blobs/sha256", digest.slice(7));
  const layer = image.manifest.layers[1]!;
  await break_((directory) => writeFileSync(blob(directory, layer.digest), "short"));
  await break_((directory) => writeFileSync(blob(directory, layer.digest), Buffer.alloc(layer.size)));
  await break_((directory) => writeFileSync(blob(directory, image.id), "{}"));
  await break_((directory) => writeFileSync(blob(directory, image.target.digest), "{}"));
  await break_((directory) => writeFileSync(join(directory, "index.json"), '{"schemaVersion":1}'));
  await break_((directory) =>
    writeFileSync(
      join(directory, "index.json"),
      `{"schemaVersion":2,"manifests":[{"digest":"${digestOf("x")}","size":-1}]}`,
    ),
  );
});

test("a stream from a file loads as well", async () => {
  writeFileSync(source.path("stream.tar"), dockerTar);
  const [loaded] = await loadArchive(createReadStream(source.path("stream.tar")), fresh());
  assert.equal(loaded?.image.id, image.id);
});
