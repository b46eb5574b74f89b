import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, beforeEach, test } from "node:test";
import { openContentStore } from "../content/index.ts";
import { BuildError, digestOf, formatPlatform, mediaTypes, parseReference } from "../core/index.ts";
import { openRegistry, type Registry } from "./index.ts";
import { type HostileRegistry, startHostileRegistry } from "./testing/index.ts";

const directory = mkdtempSync(join(tmpdir(), "registry-index-"));
after(() => rmSync(directory, { recursive: true, force: true }));

let server: HostileRegistry;
let registry: Registry;
const arm64 = { os: "linux", architecture: "arm64" };

beforeEach(async () => {
  server = await startHostileRegistry();
  registry = openRegistry({ retryDelay: 1, idleTimeout: 500, env: {} });
});
afterEach(async () => {
  registry.close();
  await server.close();
});

const resolve = (tag: string) =>
  registry.resolve(parseReference(`${server.host}/app:${tag}`), {
    platform: arm64,
    content: openContentStore(mkdtempSync(join(directory, "store-"))),
  });
const serveIndex = (tag: string, manifests: readonly unknown[]) =>
  server.manifest("app", tag, { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests });

/** An image without layers whose configuration names this architecture. */
function serveImage(tag: string, architecture: string) {
  const config = Buffer.from(
    JSON.stringify({ os: "linux", architecture, rootfs: { type: "layers", diff_ids: [] } }),
  );
  return server.manifest("app", tag, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: server.blob("app", config, mediaTypes.ociConfig),
    layers: [],
  });
}

function fails(code: string, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof BuildError, String(error));
    assert.match(error.message, message);
    assert.equal(error.code, code);
    return true;
  };
}

test("an index that lies about a platform: the image says what it is", async () => {
  serveIndex("lie", [{ ...serveImage("image", "s390x"), platform: arm64 }]);
  assert.equal(formatPlatform((await resolve("lie")).platform), "linux/s390x");
});

test("an index without the platform says what it has", async () => {
  serveIndex("other", [
    { ...serveImage("image", "s390x"), platform: { os: "linux", architecture: "s390x" } },
  ]);
  await assert.rejects(
    resolve("other"),
    (error: BuildError) =>
      /no match for platform linux\/arm64/.test(error.message) && /linux\/s390x/.test(error.hint ?? ""),
  );
});

test("indexes in one another end, also when each is honest", async () => {
  let inner = serveImage("image", "arm64");
  for (let depth = 1; depth <= 3; depth++)
    inner = serveIndex(`depth-${depth}`, [{ ...inner, platform: arm64 }]);
  assert.equal(formatPlatform((await resolve("depth-3")).platform), "linux/arm64");
  for (let depth = 4; depth <= 8; depth++)
    inner = serveIndex(`depth-${depth}`, [{ ...inner, platform: arm64 }]);
  await assert.rejects(resolve("depth-8"), fails("data-loss", /more than 3 indexes in one another/));
  assert.ok(
    server.requests.filter(({ path }) => path.includes("sha256")).length < 12,
    "it does not go on asking",
  );
});

test("an index of a hundred thousand entries is refused by its size, one of ten thousand is read", async () => {
  const image = serveImage("image", "arm64");
  const entries = (count: number) =>
    Array.from({ length: count }, (_, i) => ({
      ...image,
      digest: digestOf(String(i)),
      platform: { os: "linux", architecture: `arch${i}` },
    }));
  serveIndex("many", [...entries(10_000), { ...image, platform: arm64 }]);
  assert.equal((await resolve("many")).manifest.descriptor.digest, image.digest);
  serveIndex("too-many", [...entries(100_000), { ...image, platform: arm64 }]);
  await assert.rejects(resolve("too-many"), fails("resource-exhausted", /larger than 4194304 bytes/));
});

test("an index that gives a manifest another size, or entries that are none", async () => {
  const image = serveImage("image", "arm64");
  serveIndex("size", [{ ...image, size: image.size + 1, platform: arm64 }]);
  await assert.rejects(resolve("size"), fails("data-loss", /wrong size/));
  for (const [tag, entry] of Object.entries({ null: null, text: "x", list: [], bare: { platform: arm64 } })) {
    serveIndex(tag, [entry]);
    await assert.rejects(resolve(tag), fails("data-loss", /manifests\[0\]/), tag);
  }
});
