import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { BuildError, digestOf, hexOf } from "../core/index.ts";
import { draftOf, makeLayer, twoLayers } from "../exporter/testing/fixture.ts";
import { type Image, imageFromSnapshot, imageRecordOf, imageRows } from "../image/index.ts";
import { openLease, tryLock } from "../names/index.ts";
import {
  diskUsage,
  type Finding,
  fsck,
  openStore,
  prune,
  removeImage,
  type Store,
  storeRoot,
} from "./index.ts";

const base = mkdtempSync(join(tmpdir(), "stagewright-store-"));
after(() => rmSync(base, { recursive: true }));
let count = 0;
const freshStore = () => openStore({ root: join(base, String(count++)) });

const code = (wanted: string) => (error: unknown) => error instanceof BuildError && error.code === wanted;
async function findings(store: Store, repair = false): Promise<Finding[]> {
  const found: Finding[] = [];
  for await (const finding of fsck(store, { repair })) found.push(finding);
  return found;
}
const isSound = async (store: Store) => assert.deepEqual(await findings(store), []);

async function namedImage(store: Store, name: string | undefined, seed = ""): Promise<Image> {
  const layers = seed === "" ? await twoLayers(store) : [await makeLayer(store, { [`file-${seed}`]: seed })];
  const image = await imageFromSnapshot(draftOf(layers), store);
  await store.names.set(name, imageRecordOf(image));
  return image;
}

async function cacheRecord(store: Store, seed: string, layers: readonly string[]): Promise<void> {
  await store.cache.put(digestOf(seed), {
    results: [{ layers }],
    created: 1,
    duration: 1,
    name: `RUN ${seed}`,
    ingredients: [],
  });
}

test("the root comes from the option, the environment, or the XDG data directory", () => {
  assert.equal(storeRoot({ root: "/x", env: { STAGEWRIGHT_ROOT: "/y" } }), "/x");
  assert.equal(storeRoot({ env: { STAGEWRIGHT_ROOT: "/y" } }), "/y");
  const user = storeRoot({ env: { XDG_DATA_HOME: "/data", HOME: "/home/me" } });
  assert.equal(user, process.geteuid?.() === 0 ? "/var/lib/stagewright" : "/data/stagewright");
});

test("a store is made on first use, closed to others, and opened again", () => {
  const store = freshStore();
  assert.deepEqual(readdirSync(store.root), ["format"]);
  assert.equal(readFileSync(join(store.root, "format"), "utf8"), "1\n");
  assert.equal(statSync(store.root).mode & 0o777, 0o700);
  openStore({ root: store.root });
});

test("a newer store is refused, an older set aside, anything else left alone", () => {
  const { root } = freshStore();
  writeFileSync(join(root, "format"), "2\n");
  assert.throws(() => openStore({ root }), code("failed-precondition"));
  writeFileSync(join(root, "format"), "0\n");
  writeFileSync(join(root, "old"), "precious");
  openStore({ root });
  assert.equal(readFileSync(join(root, "format-0", "old"), "utf8"), "precious");
  assert.equal(readFileSync(join(root, "format"), "utf8"), "1\n");
  writeFileSync(join(root, "format"), "what?");
  assert.throws(() => openStore({ root }), code("data-loss"));
  const home = join(base, "home");
  mkdirSync(home);
  writeFileSync(join(home, "letter"), "dear");
  assert.throws(() => openStore({ root: home }), code("failed-precondition"));
  assert.deepEqual(readdirSync(home), ["letter"]);
  assert.throws(() => openStore({ root: join(home, "letter") }), code("failed-precondition"));
});

test("prune keeps what is named and leased, and removes the rest", async () => {
  const store = freshStore();
  const named = await namedImage(store, "keep");
  const untagged = await namedImage(store, undefined, "untagged");
  const [used, leased, unused] = [
    await makeLayer(store, { used: "1" }),
    await makeLayer(store, { leased: "2" }),
    await makeLayer(store, { unused: "3" }),
  ];
  const image = await namedImage(store, "image:1", "cached");
  const cachedLayer = store.layers.byDiffId(image.config.rootfs.diff_ids[0]!)!;
  await cacheRecord(store, "of the image", [cachedLayer]);
  await cacheRecord(store, "mixed", [cachedLayer, used]);
  await cacheRecord(store, "unused", [unused]);
  const { blob } = { blob: await store.content.ingestBytes(Buffer.from("loose")) };
  const lease = openLease(store.root);
  // A lease that began after all this: what it holds stays, what it does not may go.
  await sleep(1100);
  await lease.hold([`layer:${leased}`], () => undefined);
  const dry = await prune(store, { cache: "unused", untagged: true, dryRun: true });
  const result = await prune(store, { cache: "unused", untagged: true });
  assert.deepEqual(new Set(dry.blobs), new Set(result.blobs), "a dry run tells what would go");
  assert.deepEqual(
    result.images.map(({ id }) => id),
    [untagged.id],
  );
  assert.deepEqual(new Set(result.records), new Set([digestOf("mixed"), digestOf("unused")]));
  assert.ok(result.bytes > 0);
  for (const id of [used, unused]) assert.equal(store.layers.record(id), undefined);
  for (const id of [leased, cachedLayer]) assert.ok(store.layers.record(id));
  assert.equal(store.content.stat(blob.digest), undefined);
  assert.equal(store.content.stat(untagged.id), undefined);
  assert.deepEqual(readdirSync(join(store.root, "trash")), []);
  await isSound(store);
  for (const { target, config } of [named, image])
    for (const digest of [target.digest, ...config.rootfs.diff_ids]) assert.ok(store.content.stat(digest));
  lease.release();
  const all = await prune(store, { cache: "all", untagged: true });
  assert.deepEqual(all.records, [digestOf("of the image")]);
  assert.deepEqual(all.layers, [leased]);
  assert.deepEqual(await prune(store, { cache: "all", untagged: true }).then(({ bytes }) => bytes), 0);
  await isSound(store);
});

test("what came in since a running build began stays, though nothing refers to it yet", async () => {
  const store = freshStore();
  const old = await store.content.ingestBytes(Buffer.from("old"));
  const reused = await store.content.ingestBytes(Buffer.from("reused"));
  for (const { digest } of [old, reused]) utimesSync(store.content.path(digest), 1000, 1000);
  const lease = openLease(store.root);
  await lease.begin();
  const layer = await makeLayer(store, { fresh: "layer" });
  await store.content.ingestBytes(Buffer.from("reused"));
  const { blobs, layers } = await prune(store, { cache: "all", untagged: true });
  assert.deepEqual([blobs, layers], [[old.digest], []]);
  assert.ok(store.layers.record(layer));
  lease.release();
  assert.deepEqual((await prune(store, { cache: "all", untagged: true })).layers, [layer]);
});

test("gc alone spares the cache; until spares what is recent", async () => {
  const store = freshStore();
  const layer = await makeLayer(store, { a: "1" });
  await cacheRecord(store, "step", [layer]);
  await namedImage(store, undefined, "dangling");
  assert.deepEqual((await prune(store, { cache: "none", untagged: false })).bytes, 0);
  const hourAgo = Date.now() - 3_600_000;
  assert.deepEqual((await prune(store, { cache: "all", untagged: true, until: hourAgo })).bytes, 0);
  assert.deepEqual((await prune(store, { cache: "all", untagged: true })).records, [digestOf("step")]);
});

test("prune looping beside builds harms none of them", async () => {
  const store = freshStore();
  let building = true;
  const pruning = (async () => {
    let rounds = 0;
    for (; building; rounds++) {
      await prune(store, { cache: "all", untagged: true });
      await sleep(2); // a process of its own would not keep the event loop from the builds
    }
    return rounds;
  })();
  try {
    await Promise.all(
      Array.from({ length: 4 }, async (_, worker) => {
        for (let i = 0; i < 6; i++) {
          const lease = openLease(store.root);
          await lease.begin();
          const image = await namedImage(store, `x:${worker}-${i % 2}`, `${worker} ${i % 3}`);
          lease.release();
          assert.ok(store.content.stat(image.target.digest));
        }
      }),
    );
  } finally {
    building = false;
  }
  assert.ok((await pruning) > 0);
  await isSound(store);
  assert.equal(store.names.list().filter(({ name }) => name !== undefined).length, 8);
});

test("an image that is named while prune decides comes back from the trash", async () => {
  const store = freshStore();
  const image = await namedImage(store, "x", "1");
  // As a prune leaves it that was killed after its decision.
  const batch = join(store.root, "trash", "left");
  mkdirSync(batch, { recursive: true });
  for (const digest of [image.target.digest, image.id, ...image.config.rootfs.diff_ids]) {
    writeFileSync(join(batch, hexOf(digest)), readFileSync(store.content.path(digest)));
    store.content.remove(digest);
  }
  await prune(store, { cache: "none", untagged: false });
  await isSound(store);
  assert.deepEqual(readdirSync(join(store.root, "trash")), []);
});

test("fsck names planted damage, and repairs what can be repaired", async () => {
  const store = freshStore();
  const image = await namedImage(store, "hello");
  const other = await namedImage(store, "other", "2");
  const [first, second] = image.config.rootfs.diff_ids;
  await isSound(store);
  const layer = store.layers.byDiffId(second!)!;
  await cacheRecord(store, "gone", ["0".repeat(32)]);
  const damaged = readFileSync(store.content.path(first!));
  damaged[600]! ^= 1;
  writeFileSync(store.content.path(first!), damaged);
  writeFileSync(join(store.root, "layers", layer, "index"), "nonsense");
  unlinkSync(store.content.path(other.id));
  writeFileSync(join(store.root, "names", "x.json"), "{");
  writeFileSync(join(store.root, "blobs", "sha256", "stray"), "");
  const found = await findings(store);
  const has = (kind: string, pattern: RegExp) =>
    assert.ok(
      found.some((one) => one.kind === kind && pattern.test(`${one.subject}: ${one.problem}`)),
      `${kind} ${pattern} in ${JSON.stringify(found, undefined, 1)}`,
    );
  has("blob", new RegExp(`${first}: its content has digest`));
  has("blob", /stray: not named by a digest/);
  has("layer", new RegExp(`${layer}: its index is damaged`));
  has("image", new RegExp(`other:latest: .*${other.id}`));
  has("image", /x\.json: not an image record/);
  has("cache", /RUN gone: layer 0+ is missing/);
  assert.equal(found.length, 6);
  const repaired = await findings(store, true);
  assert.ok(
    repaired.every((one) => one.repaired !== undefined),
    JSON.stringify(repaired, undefined, 1),
  );
  await isSound(store);
  assert.equal(readdirSync(join(store.root, "lost+found")).length, 3, "nothing damaged is deleted");
});

test("du counts every form, and what prune would free", async () => {
  const store = freshStore();
  const image = await namedImage(store, "hello");
  const loose = await makeLayer(store, { loose: "x".repeat(5000) });
  await cacheRecord(store, "loose", [loose]);
  const usage = await diskUsage(store);
  const row = usage.layers.find(({ id }) => id === loose);
  assert.deepEqual([row?.images, row?.steps, row?.inUse], [[], ["RUN loose"], false]);
  assert.ok(row!.tar > 5000 && row!.index > 0);
  const own = usage.layers.find(({ diffId }) => diffId === image.config.rootfs.diff_ids[0]);
  assert.deepEqual(own?.images, ["docker.io/library/hello:latest"]);
  const sizes = [...store.content.list()].map((digest) => store.content.stat(digest)!.size);
  assert.equal(
    usage.kinds.tars + usage.kinds.otherBlobs,
    sizes.reduce((a, b) => a + b),
  );
  assert.equal(usage.reclaimable, row!.tar + row!.index);
  assert.ok(usage.total >= usage.kinds.tars + usage.kinds.cache);
  assert.equal((await prune(store, { cache: "unused", untagged: true })).bytes, usage.reclaimable);
});

test("what killed processes left is found and swept, what may be in use is not", async (t) => {
  const store = freshStore();
  await cacheRecord(store, "one", []);
  const image = await namedImage(store, "keep");
  const made = (path: string): string => {
    mkdirSync(join(store.root, path, ".."), { recursive: true });
    writeFileSync(join(store.root, path), "x");
    return join(store.root, path);
  };
  const [shard] = readdirSync(join(store.root, "cache/records"));
  const layer = store.layers.byDiffId(image.config.rootfs.diff_ids[0]!)!;
  const hex = "0".repeat(64);
  const dead = [
    ...["format.1.tmp", `ingest/${hex}`, `layers/tmp-${hex}/fs/file`, `layers/${layer}/record.json.1.tmp`],
    ...["layers/by-diff/1.tmp", `cache/records/${shard}/${hex}.1.tmp`, `cache/aliases/ab/${hex}.1.tmp`],
    ...["names/1.json.1.tmp", "contexts/1.tmp", "remote/http/1.tmp", `remote/git/${hex}.new/HEAD`],
    ...[`remote/git/${hex}/objects/pack/tmp_pack_1`, `remote/git/${hex}.lock`, `locks/${hex}`],
    ...["containers/1.tmp/config.json", "containers/1/state.json.1.tmp"],
  ].map(made);
  // What is being unpacked has the time that its archive gives it.
  utimesSync(join(store.root, `layers/tmp-${hex}`), 1000, 1000);
  const kept = [`remote/git/${hex}/objects/pack/pack-1.pack`, "containers/1/config.json"].map(made);
  const busy = tryLock(join(store.root, "locks", "busy"))!;
  const left = () => dead.filter((file) => existsSync(file));
  const hours = (count: number) => {
    t.mock.timers.reset();
    t.mock.timers.enable({ apis: ["Date"], now: Date.now() + count * 60 * 60 * 1000 });
  };
  try {
    await isSound(store);
    await prune(store, { cache: "none", untagged: false });
    assert.deepEqual(left(), dead, "young");
    const lease = openLease(store.root);
    await lease.begin();
    hours(2);
    const fresh = openLease(store.root);
    await fresh.begin();
    await isSound(store);
    await prune(store, { cache: "none", untagged: false });
    assert.deepEqual(left(), dead, "a build runs that is older");
    lease.release();
    const found = await findings(store);
    assert.deepEqual(left(), dead, "only looked for");
    assert.deepEqual(new Set(found.map(({ kind }) => kind)), new Set(["leftover"]));
    assert.equal(found.length, dead.length);
    for (const { subject } of found) assert.ok(dead.some((file) => file.startsWith(subject)));
    await prune(store, { cache: "none", untagged: false });
    assert.deepEqual(left(), []);
    fresh.release();
    const again = made(`cache/aliases/ab/${hex}.2.tmp`);
    hours(2);
    const [repaired] = await findings(store, true);
    assert.deepEqual([repaired?.subject, repaired?.repaired], [again, "removed"]);
    await isSound(store);
    for (const file of [...kept, busy.file]) assert.ok(existsSync(file), file);
  } finally {
    busy.release();
  }
});

test("a blob of JSON however deep does not stop prune", async () => {
  const store = freshStore();
  const image = await namedImage(store, "deep");
  const deep = await store.content.ingestBytes(Buffer.from(`${"[".repeat(500_000)}7${"]".repeat(500_000)}`));
  await store.names.set("deep", {
    ...imageRecordOf(image),
    target: { ...image.manifestDescriptor, ...deep },
  });
  await store.content.ingestBytes(Buffer.from("loose"));
  await prune(store, { cache: "all", untagged: true });
  await findings(store);
});

test("all of the cache includes cache mounts that no step uses, and what is old goes with every prune", async () => {
  const store = freshStore();
  const mount = (name: string): string => {
    const directory = join(store.root, "cachemounts", name, "0", "fs");
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "kept"), "x".repeat(1000));
    return directory;
  };
  const [idle, busy] = [mount("idle"), mount("busy")];
  const longAgo = Date.now() / 1000 - 31 * 24 * 3600;
  for (const directory of ["logs", "contexts"]) {
    mkdirSync(join(store.root, directory));
    for (const name of ["old", "new"]) writeFileSync(join(store.root, directory, name), "text");
    utimesSync(join(store.root, directory, "old"), longAgo, longAgo);
  }

  const held = tryLock(join(store.root, "cachemounts", "busy", "0.lock"), "shared");
  assert.ok(held);
  await prune(store, { cache: "unused", untagged: true });
  assert.ok(existsSync(idle));
  for (const directory of ["logs", "contexts"])
    assert.deepEqual(readdirSync(join(store.root, directory)), ["new"]);
  const would = await prune(store, { cache: "all", untagged: true, dryRun: true });
  const did = await prune(store, { cache: "all", untagged: true });
  assert.deepEqual([would.bytes, did.bytes], [1000, 1000]);
  held.release();
  assert.deepEqual([existsSync(idle), existsSync(busy)], [false, true]);
});

test("rmi takes a name away, an image with its last name, several names by force", async () => {
  const store = freshStore();
  const image = await namedImage(store, "x:1", "1");
  await store.names.set("x:2", imageRecordOf(image));
  assert.deepEqual(
    imageRows(store.names.list(), store).map(({ repository, tag, id }) => [repository, tag, id]),
    [
      ["x", "1", image.id],
      ["x", "2", image.id],
    ],
  );
  await assert.rejects(removeImage(store, hexOf(image.id).slice(0, 12)), code("failed-precondition"));
  const one = await removeImage(store, "x:1");
  assert.deepEqual([one.untagged.length, one.freed.bytes], [1, 0]);
  assert.ok(store.content.stat(image.id));
  await store.names.set("x:3", imageRecordOf(image));
  const rest = await removeImage(store, hexOf(image.id), { force: true });
  assert.equal(rest.untagged.length, 2);
  assert.ok(rest.freed.bytes > 0);
  assert.deepEqual([...store.content.list()], []);
  await assert.rejects(removeImage(store, "x:1"), code("not-found"));
  await isSound(store);
});

test("an image that is damaged is listed with its problem", async () => {
  const store = freshStore();
  const image = await namedImage(store, "x", "1");
  store.content.remove(image.id);
  assert.match(imageRows(store.names.list(), store)[0]?.problem ?? "", /not in the store/);
});

test("a layer that a RUN wrote: packed for its image, and checked against its directory", async () => {
  const store = freshStore();
  const upper = join(store.root, "upper");
  mkdirSync(join(upper, "opt"), { recursive: true });
  writeFileSync(join(upper, "opt/result"), "built");
  const below = await twoLayers(store);
  const id = await store.layers.adoptUpper(upper);
  const image = await imageFromSnapshot({ ...draftOf([id]), snapshot: { layers: [...below, id] } }, store);
  await store.names.set("run", imageRecordOf(image));
  assert.equal(image.config.history?.length, 3, "layers without an entry get one");
  await isSound(store);
  await prune(store, { cache: "all", untagged: true });
  assert.ok(store.layers.record(id));
  const directory = await store.layers.directory(id, below);
  writeFileSync(join(directory, "opt/result"), "tampered with");
  const [finding, ...more] = await findings(store);
  assert.deepEqual([finding?.kind, finding?.subject, more], ["layer", id, []]);
  assert.match(finding?.problem ?? "", /opt\/result.*13 bytes instead of 5/);
  await findings(store, true);
  await isSound(store);
});

test("what is used again while prune decides stays", async () => {
  const store = freshStore();
  const image = await namedImage(store, undefined);
  const [layer] = [...store.layers.list()];
  const used = new Map([
    ["layer", join(store.root, "layers", layer!.id)],
    ["tar", store.content.path(layer!.diffId!)],
    ["configuration", store.content.path(image.id)],
  ]);
  for (const file of used.values()) utimesSync(file, 1000, 1000);
  // `usage` is asked once the verdict on everything stands.
  const usage: Store["layers"]["usage"] = (id) => {
    const now = Date.now() / 1000;
    for (const file of used.values()) utimesSync(file, now, now);
    return store.layers.usage(id);
  };
  await prune({ ...store, layers: { ...store.layers, usage } }, { cache: "all", untagged: true });
  for (const [what, file] of used) assert.ok(existsSync(file), what);
  assert.equal([...store.layers.list()].length, 1, "the other layer is gone");
});
