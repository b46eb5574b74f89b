import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { BuildError, type Bytes, digestOf, mediaTypes } from "../core/index.ts";
import { draftOf, makeLayer, temporaryStore, twoLayers } from "../exporter/testing/fixture.ts";
import { importRootfs } from "./archive/index.ts";
import { clampHistory, completeHistory } from "./history.ts";
import {
  encodeConfig,
  historyRows,
  type ImageConfig,
  type ImageIndex,
  imageFromSnapshot,
  imageRecordOf,
  imageSize,
  inspectImage,
  layerSizes,
  parseConfig,
  parseManifestOrIndex,
  readImage,
  selectManifest,
} from "./index.ts";

const store = temporaryStore();
after(store.remove);
const diffId = digestOf("layer");
const amd64 = { os: "linux", architecture: "amd64" };
const refused = (code: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof BuildError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, pattern);
  return true;
};

test("a configuration is written as Go writes it", () => {
  const config: ImageConfig = {
    os: "linux",
    architecture: "arm64",
    variant: "v8",
    config: {
      Labels: { b: "<&>", a: "\u2028" },
      Cmd: ["x"],
      Env: ["A=1"],
      User: "",
      ExposedPorts: { "80/tcp": {} },
      ArgsEscaped: false,
      OnBuild: [],
      Healthcheck: { Test: ["NONE"] },
      Shell: ["/bin/sh"],
    },
    created: "2024-05-01T10:00:00.120000000Z",
    history: [{ empty_layer: true, comment: "c", created_by: "b", created: "2024-05-01T10:00:00.000Z" }],
    rootfs: { type: "layers", diff_ids: [diffId] },
  };
  assert.equal(
    encodeConfig(config).toString(),
    '{"architecture":"arm64","config":{"ExposedPorts":{"80/tcp":{}},"Env":["A=1"],"Cmd":["x"],' +
      '"Labels":{"a":"\\u2028","b":"\\u003c\\u0026\\u003e"},"Healthcheck":{"Test":["NONE"]},"Shell":["/bin/sh"]},' +
      '"created":"2024-05-01T10:00:00.12Z","history":[{"created":"2024-05-01T10:00:00Z","created_by":"b",' +
      `"comment":"c","empty_layer":true}],"os":"linux","rootfs":{"type":"layers","diff_ids":["${diffId}"]},"variant":"v8"}`,
  );
});

test("history gets its times from the layers, as BuildKit has it", () => {
  const base = [{ created: "2020-01-01T00:00:00Z", created_by: "base" }];
  const history = [
    ...base,
    { created_by: "ENV", empty_layer: true },
    { created_by: "RUN one" },
    { created_by: "CMD", empty_layer: true },
    { created_by: "RUN two" },
    { created_by: "USER", empty_layer: true },
  ];
  const layers = [{ created: 0 }, { created: 5_000 }, { created: 9_000 }];
  const times = (entries: readonly { created?: string }[]) =>
    entries.map(({ created }) => created?.slice(17, 19));
  const complete = completeHistory(history, layers, [undefined, undefined, 4_000]);
  assert.deepEqual(times(complete), ["00", "04", "04", "04", "09", "09"]);
  assert.equal(complete[0]?.created, "2020-01-01T00:00:00Z");
  assert.deepEqual(
    times(completeHistory([...base, { created_by: "ENV", empty_layer: true }], [{ created: 0 }])),
    ["00", "00"],
  );
  const filled = completeHistory(base, [{ created: 1 }, { created: 2_000, description: "RUN x" }]);
  assert.equal(filled[1]?.created_by, "RUN x");
  const tooMany = completeHistory([{ created_by: "a" }, { created_by: "b" }], [{ created: 0 }]);
  assert.deepEqual(
    tooMany.map((entry) => entry.empty_layer ?? false),
    [false, true],
  );
});

test("clamping spares what the base image brought", () => {
  const base = [{ created: "2024-01-01T00:00:00Z", created_by: "base" }];
  const own = [
    { created: "2025-01-01T00:00:00Z", created_by: "own" },
    { created: "2001-01-01T00:00:00Z", created_by: "old" },
  ];
  const epoch = Date.parse("2010-01-01T00:00:00Z");
  assert.deepEqual(
    clampHistory([...base, ...own], epoch, base).map(({ created }) => created),
    ["2024-01-01T00:00:00Z", "2010-01-01T00:00:00Z", "2001-01-01T00:00:00Z"],
  );
});

test("malformed configurations and manifests are refused where they are wrong", () => {
  const config = (json: unknown) => () => parseConfig(Buffer.from(JSON.stringify(json)), "config");
  const rootfs = { type: "layers", diff_ids: [] };
  assert.throws(() => parseConfig(Buffer.from("{"), "config"), refused("invalid-argument", /not valid JSON/));
  assert.throws(
    () => parseConfig(Buffer.from([0x7b, 0xff, 0x7d]), "config"),
    refused("invalid-argument", /not valid JSON/),
  );
  assert.throws(
    () => parseConfig(Buffer.alloc((4 << 20) + 1, 32), "config"),
    refused("invalid-argument", /at most/),
  );
  const nested = (levels: number) => () => {
    const x = [`{"\\"[":`.repeat(levels), "7", "}".repeat(levels)].join("");
    const text = JSON.stringify({ architecture: "amd64", os: "linux", rootfs, x: "[".repeat(9999) });
    return parseConfig(Buffer.from(`${text.slice(0, -1)},"y":${x}}`), "config");
  };
  nested(499)();
  for (const levels of [500, 300_000])
    assert.throws(nested(levels), refused("invalid-argument", /more than 500/));
  assert.throws(config([]), refused("invalid-argument", /an object is expected/));
  assert.throws(config({ ...amd64 }), refused("invalid-argument", /rootfs/));
  assert.throws(config({ os: "linux", rootfs }), refused("invalid-argument", /architecture/));
  assert.throws(
    config({ ...amd64, rootfs: { diff_ids: ["sha256:1"] } }),
    refused("invalid-argument", /diff_ids\[0\]/),
  );
  assert.throws(
    config({ ...amd64, rootfs, config: { Env: "A=1" } }),
    refused("invalid-argument", /config\.Env/),
  );
  assert.throws(
    config({ ...amd64, rootfs, config: { Labels: { a: 1 } } }),
    refused("invalid-argument", /Labels\["a"\]/),
  );
  assert.throws(
    config({ ...amd64, rootfs, history: [{ created: 1 }] }),
    refused("invalid-argument", /history\[0\]\.created/),
  );
  assert.equal(
    config({ ...amd64, rootfs: { diff_ids: null }, config: { Env: null, Labels: null } })().config?.Env,
    undefined,
  );

  const manifest = (json: unknown) => () => parseManifestOrIndex(Buffer.from(JSON.stringify(json)), "m");
  const descriptor = { mediaType: mediaTypes.ociConfig, digest: diffId, size: 1 };
  assert.throws(manifest({ schemaVersion: 1 }), refused("unimplemented", /schemaVersion/));
  assert.throws(manifest({ schemaVersion: 2 }), refused("invalid-argument", /config/));
  assert.throws(
    manifest({ schemaVersion: 2, config: { ...descriptor, size: 1.5 } }),
    refused("invalid-argument", /size/),
  );
  assert.throws(
    manifest({ schemaVersion: 2, config: { ...descriptor, digest: "sha512:0" } }),
    refused("invalid-argument", /digest/),
  );
  assert.throws(
    manifest({ schemaVersion: 2, config: descriptor, layers: {} }),
    refused("invalid-argument", /layers/),
  );
  assert.throws(
    manifest({ schemaVersion: 2, config: descriptor, manifests: [] }),
    refused("invalid-argument", /both/),
  );
});

test("an index gives the platform that is asked for, never an attestation", () => {
  const entry = (architecture: string, os = "linux", variant?: string) => ({
    mediaType: mediaTypes.ociManifest,
    digest: digestOf(architecture + variant),
    size: 1,
    platform: { os, architecture, ...(variant ? { variant } : {}) },
  });
  const manifests = [entry("unknown", "unknown"), entry("arm", "linux", "v7"), entry("amd64")];
  const index: ImageIndex = { schemaVersion: 2, manifests };
  assert.equal(selectManifest(index, amd64, "x").digest, manifests[2]?.digest);
  assert.equal(
    selectManifest(index, { os: "linux", architecture: "arm", variant: "v7" }, "x").digest,
    manifests[1]?.digest,
  );
  assert.throws(
    () => selectManifest(index, { os: "linux", architecture: "s390x" }, "x"),
    (error) => {
      assert.ok(error instanceof BuildError);
      assert.match(error.hint ?? "", /linux\/arm\/v7, linux\/amd64/);
      return true;
    },
  );
});

test("an image is read back, with history, sizes and what inspect shows", async () => {
  const image = await imageFromSnapshot(draftOf(await twoLayers(store)), store);
  const record = await store.names.set("hello:v1", imageRecordOf(image));
  const read = readImage(store.content, record.target);
  assert.deepEqual(read.config, image.config);
  assert.equal(image.config.created, "2023-11-14T22:13:21Z");
  const sizes = layerSizes(read, store);
  assert.equal(imageSize(read, store), sizes[0]! + sizes[1]!);
  const rows = historyRows(read.config, sizes);
  assert.deepEqual(
    rows.map(({ createdBy, size }) => [createdBy, size]),
    [
      ['CMD ["tool"]', 0],
      ["RUN rm /etc/gone # buildkit", sizes[1]],
      ["ENV A=<&>", 0],
      ["COPY tool /bin # buildkit", sizes[0]],
    ],
  );
  const shown = inspectImage(read, [record], store) as Record<string, unknown>;
  assert.equal(shown.Id, image.id);
  assert.deepEqual(shown.RepoTags, ["hello:v1"]);
  assert.deepEqual(shown.RepoDigests, [`hello@${image.target.digest}`]);
  assert.equal(shown.Size, imageSize(read, store));
});

test("scratch is an image too", async () => {
  const image = await imageFromSnapshot({ snapshot: { layers: [] }, config: { ...amd64 } }, store);
  assert.deepEqual(readImage(store.content, image.target).config.rootfs.diff_ids, []);
});

test("an image without a platform in its configuration is refused", async () => {
  const layer = await makeLayer(store, { a: "b" });
  const config = { os: "", architecture: "amd64" };
  await assert.rejects(
    imageFromSnapshot({ snapshot: { layers: [layer] }, config }, store),
    refused("invalid-argument", /no operating system/),
  );
});

test("a root filesystem is imported, plain and compressed, and gives what is in it", async () => {
  const tree = store.path("tree");
  mkdirSync(join(tree, "etc"), { recursive: true });
  writeFileSync(join(tree, "etc/hello"), "hi");
  const tar = execFileSync("tar", ["cf", "-", "-C", tree, "."]);
  async function* stream(data: Buffer): Bytes {
    yield data;
  }
  const options = { config: { Cmd: ["sh"] }, created: 1_700_000_000_000 };
  const image = await importRootfs(stream(tar), options, store);
  const again = await importRootfs(stream(gzipSync(tar)), options, store);
  assert.equal(again.id, image.id);
  assert.deepEqual(image.config.config, { Cmd: ["sh"] });
  const id = store.layers.byDiffId(image.config.rootfs.diff_ids[0]!);
  const rootfs = await store.layers.rootfs({ layers: [id!] });
  assert.equal(rootfs.read("etc/hello").toString(), "hi");
});

test("an import that climbs out leaves nothing", async (t) => {
  const hostile = temporaryStore();
  t.after(hostile.remove);
  const directory = store.path("climb");
  mkdirSync(directory);
  writeFileSync(join(directory, "x"), "x");
  const tar = execFileSync("tar", ["cPf", "-", "--transform", "s,x,../../x,", "x"], { cwd: directory });
  async function* stream(): Bytes {
    yield tar;
  }
  await assert.rejects(importRootfs(stream(), {}, hostile), BuildError);
  assert.deepEqual([...hostile.content.list()], []);
  assert.deepEqual(readdirSync(join(hostile.root, "ingest")), []);
});
