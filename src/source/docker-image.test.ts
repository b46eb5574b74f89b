import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, beforeEach, test } from "node:test";
import { gzipSync } from "node:zlib";
import { openContentStore } from "../content/index.ts";
import { type BuildError, type Descriptor, digestOf, mediaTypes } from "../core/index.ts";
import { openLayerStore } from "../layer/index.ts";
import { openLayerWriter } from "../layer/tar/index.ts";
import { openNameStore } from "../names/index.ts";
import { openRegistry } from "../registry/index.ts";
import { type HostileRegistry, startHostileRegistry } from "../registry/testing/index.ts";
import { type DockerImageStores, pullImage, resolveDockerImage } from "./docker-image.ts";

const directory = mkdtempSync(join(tmpdir(), "docker-image-"));
after(() => rmSync(directory, { recursive: true, force: true }));

const platform = { os: "linux", architecture: "amd64" };
let server: HostileRegistry;
let stores: DockerImageStores;

beforeEach(async () => {
  server = await startHostileRegistry();
  const content = openContentStore(mkdtempSync(join(directory, "store-")));
  stores = {
    content,
    layers: openLayerStore(content),
    names: openNameStore(content.root),
    registry: openRegistry({ env: {}, retryDelay: 1 }),
  };
});
afterEach(async () => {
  stores.registry.close();
  await server.close();
});

function tarOf(path: string, text: string): Buffer {
  const file = join(directory, "layer.tar");
  const writer = openLayerWriter({ file });
  const entry = { path, type: "file", mode: 0o644, uid: 0, gid: 0, mtime: 0 } as const;
  writer.add(entry, { kind: "bytes", bytes: Buffer.from(text) });
  writer.finish();
  return readFileSync(file);
}

function serve(tag: string, texts: readonly string[], architecture = "amd64"): Descriptor {
  const tars = texts.map((text, i) => tarOf(`file${i}`, text));
  const config = {
    os: "linux",
    architecture,
    rootfs: { type: "layers", diff_ids: tars.map((tar) => digestOf(tar)) },
  };
  return server.manifest("app", tag, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: server.blob("app", Buffer.from(JSON.stringify(config)), mediaTypes.ociConfig),
    layers: tars.map((tar) => server.blob("app", gzipSync(tar), mediaTypes.ociLayerGzip)),
  }) as Descriptor;
}

test("an image comes from the registry, its layers only when they are needed", async () => {
  const target = serve("1", ["one", "two"]);
  const image = await resolveDockerImage(`${server.host}/app:1`, stores, { platform });
  assert.equal(image.origin, "registry");
  assert.equal(image.digest, target.digest);
  assert.equal(image.name, `${server.host}/app:1`);
  assert.equal(server.requests.length, 3, "tag, manifest and configuration");
  const snapshot = await image.materialize();
  assert.equal(snapshot.layers.length, 2);
  const rootfs = await stores.layers.rootfs(snapshot);
  assert.equal(rootfs.read("file1").toString(), "two");
  server.requests.length = 0;
  assert.deepEqual(await image.materialize(), snapshot);
  assert.equal(server.requests.length, 0);
  assert.deepEqual([...stores.names.list()], [], "a build's base gets no name");
});

test("the local store wins, unless the registry is asked for", async () => {
  serve("1", ["old"]);
  const pulled = await pullImage(`${server.host}/app:1`, stores, { platform });
  assert.equal(pulled.unchanged, false);
  const moved = serve("1", ["new"]);
  server.requests.length = 0;
  const local = await resolveDockerImage(`${server.host}/app:1`, stores, { platform });
  assert.equal(local.origin, "local");
  assert.equal(local.digest, pulled.target.digest);
  assert.equal((await stores.layers.rootfs(await local.materialize())).read("file0").toString(), "old");
  assert.equal(server.requests.length, 0);

  const fresh = await resolveDockerImage(`${server.host}/app:1`, stores, { platform, pull: true });
  assert.equal(fresh.origin, "registry");
  assert.equal(fresh.digest, moved.digest);
  const byDigest = `${server.host}/app@${pulled.target.digest}`;
  assert.equal((await resolveDockerImage(byDigest, stores, { platform })).origin, "local");
});

test("what is nowhere: an image of the store with nearly that name is named, and no other", async () => {
  serve("1", ["one"]);
  serve("22", ["two"]);
  for (const tag of ["1", "22"]) await pullImage(`${server.host}/app:${tag}`, stores, { platform });
  const hintFor = async (name: string): Promise<string> => {
    const failed = await resolveDockerImage(name, stores, { platform }).then(
      () => assert.fail(`${name} is there`),
      (error: BuildError) => error,
    );
    return failed.hint ?? "";
  };
  const meant = (tag: string) =>
    new RegExp(`did you mean ${server.host}/app:${tag}, which is in the local store`);
  assert.match(await hintFor(`${server.host}/apq:23`), meant("22"));
  assert.match(await hintFor(`${server.host}/app:latest`), meant("1"));
  assert.doesNotMatch(await hintFor(`${server.host}/other:1`), /did you mean/);
});

test("an image of the local store is found by its id, whole or as it is printed", async () => {
  const target = serve("1", ["one"]);
  const pulled = await pullImage(`${server.host}/app:1`, stores, { platform });
  const { id } = pulled.record;
  server.requests.length = 0;
  for (const text of [id, id.slice("sha256:".length, "sha256:".length + 12)]) {
    const image = await resolveDockerImage(text, stores, { platform });
    assert.equal(image.digest, target.digest);
    assert.equal(image.origin, "local");
  }
  assert.deepEqual(server.requests, []);
});

test("pulling again says that nothing changed", async () => {
  serve("1", ["same"]);
  await pullImage(`${server.host}/app:1`, stores, { platform });
  assert.equal((await pullImage(`${server.host}/app:1`, stores, { platform })).unchanged, true);
});

test("a local image of another platform does not count, and is named when there is no other", async () => {
  serve("1", ["arm"], "arm64");
  await pullImage(`${server.host}/app:1`, stores, { platform });
  serve("1", ["intel"]);
  const image = await resolveDockerImage(`${server.host}/app:1`, stores, { platform });
  assert.equal(image.origin, "registry");
  server.on("/v2/app/manifests/1", (_, response) => response.writeHead(404).end());
  await assert.rejects(
    resolveDockerImage(`${server.host}/app:1`, stores, { platform }),
    (error: BuildError) => {
      assert.equal(error.code, "not-found");
      assert.match(
        error.message,
        /is in the local store for linux\/arm64 only, not for linux\/amd64; .*not found/,
      );
      return true;
    },
  );
});

test("a layer that does not unpack to what the configuration says is refused", async () => {
  const honest = tarOf("a", "a");
  const config = { ...platform, rootfs: { type: "layers", diff_ids: [digestOf("something else")] } };
  server.manifest("app", "1", {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: server.blob("app", Buffer.from(JSON.stringify(config)), mediaTypes.ociConfig),
    layers: [server.blob("app", gzipSync(honest), mediaTypes.ociLayerGzip)],
  });
  await assert.rejects(
    pullImage(`${server.host}/app:1`, stores, { platform }),
    (error: BuildError) => error.code === "data-loss",
  );
  assert.deepEqual([...stores.names.list()], []);
});

test("a name in capitals is refused as docker does", async () => {
  await assert.rejects(resolveDockerImage("Debian", stores, { platform }), /must be lowercase/);
});
