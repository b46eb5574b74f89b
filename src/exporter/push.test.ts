import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { type BuildError, type Descriptor, mediaTypes, parseReference } from "../core/index.ts";
import { readImage } from "../image/index.ts";
import { openRegistry } from "../registry/index.ts";
import {
  type RegistryProcess,
  type RegistryProxy,
  startRegistry,
  startRegistryProxy,
} from "../registry/testing/index.ts";
import { exportResult, type PushImageOptions, pushImage } from "./index.ts";
import { draftOf, has, makeLayer, sourceOf, temporaryStore, twoLayers } from "./testing/fixture.ts";

const missing = ["docker-registry", "skopeo", "htpasswd"].filter((tool) => !has(tool));

describe("push to a real registry", { skip: missing.length > 0 && `needs ${missing.join(", ")}` }, () => {
  const store = temporaryStore();
  const login = { kind: "password", username: "me", password: "pass word" } as const;
  const client = openRegistry({ env: {}, retryDelay: 10, credentials: async () => login });
  let registry: RegistryProcess;
  let proxy: RegistryProxy;
  let layers: readonly string[];

  before(async () => {
    registry = await startRegistry(login);
    proxy = await startRegistryProxy(registry.host);
    layers = await twoLayers(store);
  });
  after(async () => {
    client.close();
    await proxy?.close();
    registry?.stop();
    store.remove();
  });

  /** Builds an image of these layers under a name of the registry, and pushes it. */
  async function pushed(name: string, of = layers, options: PushImageOptions = {}) {
    const full = `${proxy.host}/${name}`;
    await exportResult(sourceOf(draftOf(of)), { type: "image", names: [full] }, store);
    return await pushImage(full, store, client, options);
  }
  const inspect = async (name: string, ...options: string[]) => {
    const { stdout } = await promisify(execFile)("skopeo", [
      ...["inspect", "--tls-verify=false", "--creds", `${login.username}:${login.password}`, ...options],
      `docker://${proxy.host}/${name}`,
    ]);
    return stdout.trim();
  };
  const writes = () => proxy.requests.filter(({ method }) => !["GET", "HEAD"].includes(method));

  for (const [compression, mediaType] of [
    ["gzip", mediaTypes.ociLayerGzip],
    ["zstd", mediaTypes.ociLayerZstd],
  ] as const)
    test(`layers with ${compression}, the digest that skopeo sees, and nothing the second time`, async () => {
      const name = `team/${compression}:1`;
      const first = await pushed(name, layers, { compression });
      assert.equal(await inspect(name, "--format={{.Digest}}"), first.target.digest);
      const manifest = JSON.parse(await inspect(name, "--raw"));
      assert.deepEqual(
        new Set(manifest.layers.map((layer: { mediaType: string }) => layer.mediaType)),
        new Set([mediaType]),
      );
      proxy.requests.length = 0;
      const again = await pushImage(`${proxy.host}/${name}`, store, client, { compression });
      assert.deepEqual(again, { ...first, uploaded: 0 });
      assert.deepEqual(writes(), []);
    });

  test("what skopeo copies away is the image of the store", async () => {
    await pushed("team/copied:1");
    mkdirSync(store.path("copied"));
    await promisify(execFile)("skopeo", [
      ...["--insecure-policy", "copy", "-q", "--src-tls-verify=false"],
      ...["--src-creds", `${login.username}:${login.password}`],
      ...[`docker://${proxy.host}/team/copied:1`, `oci:${store.path("copied")}:1`],
    ]);
    const { id } = store.names.resolve(`${proxy.host}/team/copied:1`);
    assert.match(execFileSync("find", [store.path("copied")], { encoding: "utf8" }), new RegExp(id.slice(7)));
  });

  test("an image that was pulled goes back byte for byte, to another repository without its blobs", async () => {
    const { target } = await pushed("team/origin:1");
    const other = temporaryStore();
    try {
      const reference = parseReference(`${proxy.host}/team/origin:1`);
      const resolved = await client.resolve(reference, {
        content: other.content,
        platform: { os: "linux", architecture: "amd64" },
      });
      await client.pull(resolved, other.content);
      const { id } = readImage(other.content, resolved.target, resolved.platform);
      const record = { target: resolved.target, manifest: resolved.manifest.descriptor, id };
      for (const name of ["team/origin:1", "elsewhere/back:2"])
        await other.names.set(`${proxy.host}/${name}`, record);
      const back = await pushImage(`${proxy.host}/elsewhere/back:2`, other, client, { compression: "zstd" });
      assert.equal(back.target.digest, target.digest);
      assert.equal(back.uploaded, 0, "mounted");
      assert.equal(await inspect("elsewhere/back:2", "--format={{.Digest}}"), target.digest);
    } finally {
      other.remove();
    }
  });

  test("a big layer arrives whole though the line breaks", async () => {
    const big = await makeLayer(store, { noise: randomBytes(2_000_000).toString("hex") });
    proxy.cut("PATCH", 700_000);
    proxy.requests.length = 0;
    const { target } = await pushed("team/broken:1", [big]);
    assert.ok(proxy.requests.filter(({ method }) => method === "PATCH").length >= 2);
    assert.equal(await inspect("team/broken:1", "--format={{.Digest}}"), target.digest);
  });

  test("a pull that breaks off goes on where it stopped", async () => {
    const noise = randomBytes(2_000_000).toString("hex");
    const { target } = await pushed("team/pulled:1", [await makeLayer(store, { noise })]);
    const elsewhere = temporaryStore();
    try {
      const manifest = JSON.parse(store.content.read(target.digest).toString());
      const [{ digest, size }] = manifest.layers;
      proxy.cutAnswer(digest, 500_000);
      proxy.cutAnswer(digest, 300_000);
      proxy.requests.length = 0;
      const name = `${proxy.host}/team/pulled:1`;
      const platform = { os: "linux", architecture: "amd64" };
      const resolved = await client.resolve(parseReference(name), { platform, content: elsewhere.content });
      await client.pull(resolved, elsewhere.content);
      assert.equal(elsewhere.content.stat(digest)?.size, size);
      const ranges = proxy.requests
        .filter(({ path }) => path.includes(digest))
        .map(({ headers }) => Number(/^bytes=(\d+)-/.exec(headers.range ?? "")?.[1] ?? 0));
      assert.equal(ranges.length, 3);
      assert.equal(ranges[0], 0);
      assert.ok(ranges[1]! > 0 && ranges[1]! <= 500_000, String(ranges[1]));
      assert.ok(ranges[2]! > ranges[1]! && ranges[2]! <= 800_000, String(ranges[2]));
    } finally {
      elsewhere.remove();
    }
  });

  test("an index goes with its manifests; with one of them here, that one goes alone", async () => {
    const manifests: Descriptor[] = [];
    for (const [i, layer] of layers.entries()) {
      const { image } = await exportResult(sourceOf(draftOf([layer])), { type: "image", names: [] }, store);
      const platform = { os: "linux", architecture: i === 0 ? "amd64" : "arm64" };
      manifests.push({ ...image!.images[0]!.manifestDescriptor, platform });
    }
    const name = `${proxy.host}/team/index:1`;
    const put = async (list: readonly unknown[]) => {
      const bytes = Buffer.from(
        JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: list }),
      );
      const target = { mediaType: mediaTypes.ociIndex, ...(await store.content.ingestBytes(bytes)) };
      const [manifest] = manifests;
      await store.names.set(name, { target, manifest: manifest!, id: manifest!.digest });
      return target.digest;
    };
    const digest = await put(manifests);
    const asItIs = { compression: "uncompressed" } as const;
    assert.equal((await pushImage(name, store, client, asItIs)).target.digest, digest);
    assert.equal(JSON.parse(await inspect("team/index:1", "--raw")).manifests.length, 2);
    await pushImage(name, store, client);
    const [, arm] = JSON.parse(await inspect("team/index:1", "--raw")).manifests;
    assert.equal(arm.platform.architecture, "arm64");
    assert.notEqual(arm.digest, manifests[1]!.digest, "its layers are compressed for the way");
    const absent = { ...manifests[1], digest: `sha256:${"1".repeat(64)}` };
    await put([manifests[0], absent]);
    assert.equal((await pushImage(name, store, client, asItIs)).target.digest, manifests[0]!.digest);
  });

  test("names that cannot be pushed", async () => {
    const rejects = (name: string, code: string) =>
      assert.rejects(pushImage(name, store, client), (error: BuildError) => error.code === code);
    await rejects(`${proxy.host}/team/none:1`, "not-found");
    await rejects(`${proxy.host}/team/a@sha256:${"0".repeat(64)}`, "invalid-argument");
  });

  test("a wrong password is not let in", async () => {
    await pushed("team/locked:1");
    const stranger = openRegistry({
      env: {},
      credentials: async () => ({ kind: "password", username: "me", password: "guess" }),
    });
    await assert.rejects(
      pushImage(`${proxy.host}/team/locked:1`, store, stranger),
      (error: BuildError) => error.code === "unauthenticated" && /push access denied/.test(error.message),
    );
    stranger.close();
  });
});
