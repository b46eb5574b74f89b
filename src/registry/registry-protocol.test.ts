import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, beforeEach, describe, test } from "node:test";
import { type ContentStore, openContentStore } from "../content/index.ts";
import { BuildError, type Descriptor, digestOf, mediaTypes, parseReference } from "../core/index.ts";
import { openRegistry, type Registry } from "./index.ts";
import { type HostileRegistry, type Reply, startHostileRegistry } from "./testing/index.ts";

const directory = mkdtempSync(join(tmpdir(), "registry-protocol-"));
after(() => rmSync(directory, { recursive: true, force: true }));

let server: HostileRegistry;
let registry: Registry;
let content: ContentStore;
const platform = { os: "linux", architecture: "amd64" };
const fast = { retryDelay: 1, idleTimeout: 500, env: {} };

beforeEach(async () => {
  server = await startHostileRegistry();
  registry = openRegistry(fast);
  content = openContentStore(mkdtempSync(join(directory, "store-")));
});
afterEach(async () => {
  registry.close();
  await server.close();
});

const reference = (name = "app:1") => parseReference(`${server.host}/${name}`);
const layerBytes = randomBytes(300_000);
const layerDigest = digestOf(layerBytes);
const blobPath = `/v2/app/blobs/${layerDigest}`;

function serveImage(
  change: (manifest: Record<string, unknown>) => object = (manifest) => manifest,
): Descriptor {
  const config = Buffer.from(
    JSON.stringify({
      os: "linux",
      architecture: "amd64",
      rootfs: { type: "layers", diff_ids: [layerDigest] },
    }),
  );
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: server.blob("app", config, mediaTypes.ociConfig),
    layers: [server.blob("app", layerBytes, mediaTypes.ociLayer)],
  };
  return server.manifest("app", "1", change(manifest)) as Descriptor;
}

async function pull(signal?: AbortSignal): Promise<void> {
  const options = signal === undefined ? {} : { signal };
  const image = await registry.resolve(reference(), { platform, content, ...options });
  await registry.pull(image, content, options);
}

function fails(code: string, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof BuildError, String(error));
    assert.match(error.message, message);
    assert.equal(error.code, code);
    return true;
  };
}

function assertNothingLeft(): void {
  assert.equal(content.stat(layerDigest), undefined);
  assert.deepEqual(
    readdirSync(content.root).includes("ingest") ? readdirSync(join(content.root, "ingest")) : [],
    [],
  );
}

const cut =
  (bytes: number): Reply =>
  (_, response) => {
    response.writeHead(200, { "content-length": layerBytes.length });
    response.write(layerBytes.subarray(0, bytes), () => response.destroy());
  };
const ranged: Reply = (request, response) => {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1]);
  const part = layerBytes.subarray(from);
  response
    .writeHead(206, { "content-range": `bytes ${from}-${layerBytes.length - 1}/${layerBytes.length}` })
    .end(part);
};
const status =
  (code: number, headers: Record<string, string> = {}): Reply =>
  (_, response) =>
    response.writeHead(code, headers).end();

describe("an honest registry", () => {
  test("an image is resolved and pulled; what has not moved costs one HEAD", async () => {
    const target = serveImage();
    const image = await registry.resolve(reference(), { platform, content });
    assert.equal(image.target.digest, target.digest);
    const seen: [string, number, number][] = [];
    await registry.pull(image, content, {
      onProgress: ({ id, current, total }) => void seen.push([id, current, total]),
    });
    assert.deepEqual(seen[0], [layerDigest, 0, layerBytes.length]);
    assert.deepEqual(seen.at(-1), [layerDigest, layerBytes.length, layerBytes.length]);
    assert.deepEqual(content.read(target.digest), image.manifest.bytes);

    server.requests.length = 0;
    const again = await registry.resolve(reference(), { platform, content });
    await registry.pull(again, content);
    assert.deepEqual(
      server.requests.map(({ method, path }) => `${method} ${path}`),
      ["HEAD /v2/app/manifests/1"],
    );
    server.requests.length = 0;
    await registry.resolve({ ...reference(), digest: target.digest }, { platform, content });
    assert.equal(server.requests.length, 0, "a digest that is here needs no request");
  });

  test("an index leads to the platform's image", async () => {
    const manifest = serveImage();
    server.manifest("app", "multi", {
      schemaVersion: 2,
      mediaType: mediaTypes.ociIndex,
      manifests: [
        { ...manifest, digest: digestOf("arm"), platform: { os: "linux", architecture: "arm64" } },
        { ...manifest, platform },
      ],
    });
    const image = await registry.resolve(reference("app:multi"), { platform });
    assert.equal(image.manifest.descriptor.digest, manifest.digest);
    assert.equal(image.indexes.length, 1);
    await assert.rejects(
      registry.resolve(reference("app:multi"), { platform: { os: "linux", architecture: "s390x" } }),
      fails("not-found", /no match for platform linux\/s390x/),
    );
  });

  test("broken transfers go on where they stopped", async () => {
    serveImage();
    server.on(blobPath, cut(100_000), ranged);
    await pull();
    assert.equal(content.stat(layerDigest)?.size, layerBytes.length);
    assert.equal(server.requests.at(-1)?.headers.range, "bytes=100000-");
  });

  test("a server that ignores ranges sends everything again", async () => {
    serveImage();
    server.on(blobPath, cut(70_000), cut(200_000), (_, response) => response.end(layerBytes));
    await pull();
    assert.ok(content.stat(layerDigest));
  });

  test("a stalled transfer is taken up again", async () => {
    serveImage();
    const stall: Reply = (_, response) => {
      response.writeHead(200, { "content-length": layerBytes.length });
      response.write(layerBytes.subarray(0, 5000));
    };
    server.on(blobPath, stall, ranged);
    await pull();
    assert.ok(content.stat(layerDigest));
  });

  for (const code of [408, 429, 500, 502, 503, 504])
    test(`status ${code} is passing`, async () => {
      serveImage();
      server.on(blobPath, status(code), status(code), (_, response) => response.end(layerBytes));
      await pull();
      assert.ok(content.stat(layerDigest));
    });

  test("Retry-After is obeyed, within reason", async () => {
    serveImage();
    server.on(blobPath, status(429, { "retry-after": "1" }), (_, response) => response.end(layerBytes));
    const begin = performance.now();
    await pull();
    assert.ok(performance.now() - begin >= 950);
    content.remove(layerDigest);
    server.on(blobPath, status(429, { "retry-after": "3600" }));
    await assert.rejects(pull(), fails("resource-exhausted", /limits the rate/));
  });

  test("an aborted pull stops at once and leaves nothing", async () => {
    serveImage();
    server.on(blobPath, (_, response) => {
      response.writeHead(200, { "content-length": layerBytes.length });
      response.write(layerBytes.subarray(0, 5000));
    });
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 100);
    await assert.rejects(pull(stop.signal), { name: "AbortError" });
    assertNothingLeft();
  });
});

describe("a registry that lies", () => {
  const lies: readonly [string, Reply, RegExp][] = [
    ["other content", (_, response) => response.end(Buffer.alloc(layerBytes.length)), /digest sha256/],
    ["less announced", (_, response) => response.end(layerBytes.subarray(1)), /announces 299999 bytes/],
    [
      "more announced",
      (_, response) => response.end(Buffer.alloc(layerBytes.length + 1)),
      /announces 300001 bytes/,
    ],
    [
      "an endless body",
      (_, response) => {
        const more = (): void => {
          while (response.write(Buffer.alloc(65_536)));
          response.once("drain", more);
        };
        more();
      },
      /more than its 300000 bytes/,
    ],
  ];
  for (const [name, reply, message] of lies)
    test(`about a blob: ${name}`, async () => {
      serveImage();
      server.on(blobPath, reply);
      await assert.rejects(pull(), fails("data-loss", message));
      assertNothingLeft();
    });

  test("a body that always ends early is given up", async () => {
    serveImage();
    server.on(blobPath, (_, response) => void response.writeHead(200).end());
    await assert.rejects(pull(), fails("unavailable", /0 of 300000 bytes arrived/));
    assertNothingLeft();
  });

  test("a wrong range", async () => {
    serveImage();
    server.on(blobPath, cut(100_000), (_, response) =>
      response.writeHead(206, { "content-range": "bytes 5-299999/300000" }).end(layerBytes.subarray(100_000)),
    );
    await assert.rejects(pull(), fails("data-loss", /answers the range from 100000/));
  });

  const manifestLies: readonly [string, Reply, string, RegExp][] = [
    ["malformed JSON", (_, r) => r.end("{"), "data-loss", /app:1/],
    ["null", (_, r) => r.end("null"), "data-loss", /app:1/],
    ["missing fields", (_, r) => r.end('{"schemaVersion":2}'), "data-loss", /config/],
    [
      "a wrong digest header",
      (_, r) => r.writeHead(200, { "docker-content-digest": digestOf("x") }).end("{}"),
      "data-loss",
      /instead of/,
    ],
    [
      "a huge manifest",
      (_, r) => r.end(Buffer.alloc(5 * 1024 * 1024, 32)),
      "resource-exhausted",
      /larger than/,
    ],
    [
      "an endless manifest",
      (_, r) => {
        const more = (): void => {
          while (r.write(Buffer.alloc(65_536, 32)));
          r.once("drain", more);
        };
        more();
      },
      "resource-exhausted",
      /larger than/,
    ],
    [
      "schema version 1",
      (_, r) =>
        r
          .writeHead(200, { "content-type": "application/vnd.docker.distribution.manifest.v1+prettyjws" })
          .end("{}"),
      "unimplemented",
      /schema version 1/,
    ],
    [
      "a web page",
      (_, r) => r.writeHead(200, { "content-type": "text/html" }).end("<p>"),
      "data-loss",
      /web page/,
    ],
    [
      "an index announced as a manifest",
      (_, r) =>
        r
          .writeHead(200, { "content-type": mediaTypes.ociManifest })
          .end(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] })),
      "data-loss",
      /announced as/,
    ],
  ];
  for (const [name, reply, code, message] of manifestLies)
    test(`about a manifest: ${name}`, async () => {
      server.on("/v2/app/manifests/1", reply);
      await assert.rejects(registry.resolve(reference(), { platform }), fails(code, message));
    });

  const documents: readonly [string, (manifest: Record<string, unknown>) => object, string, RegExp][] = [
    [
      "too few layers",
      (m) => ({ ...m, layers: [] }),
      "data-loss",
      /0 layers in the manifest, 1 in the configuration/,
    ],
    [
      "a foreign layer",
      (m) => ({
        ...m,
        layers: [
          {
            ...(m.layers as object[])[0],
            mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            urls: ["http://example.com/x"],
          },
        ],
      }),
      "unimplemented",
      /not distributed by registries/,
    ],
    [
      "something that is no image",
      (m) => ({
        ...m,
        config: { ...(m.config as object), mediaType: "application/vnd.cncf.helm.config.v1+json" },
      }),
      "failed-precondition",
      /is not a container image/,
    ],
    [
      "a digest that is none",
      (m) => ({ ...m, layers: [{ ...(m.layers as object[])[0], digest: "sha256:../../../../etc/passwd" }] }),
      "data-loss",
      /digest/,
    ],
    [
      "a negative size",
      (m) => ({ ...m, layers: [{ ...(m.layers as object[])[0], size: -1 }] }),
      "data-loss",
      /size/,
    ],
  ];
  for (const [name, change, code, message] of documents)
    test(`an image with ${name}`, async () => {
      serveImage(change);
      await assert.rejects(registry.resolve(reference(), { platform }), fails(code, message));
    });

  test("about a configuration", async () => {
    serveImage((manifest) => {
      const { digest, size } = manifest.config as Descriptor;
      server.on(`/v2/app/blobs/${digest}`, (_, response) => response.end(Buffer.alloc(size, 32)));
      return manifest;
    });
    await assert.rejects(
      registry.resolve(reference(), { platform, content }),
      fails("data-loss", /has digest/),
    );
  });

  test("a failing blob stops the others, and no manifest is kept without its layers", async () => {
    serveImage();
    server.on(blobPath, status(404));
    await assert.rejects(pull(), fails("not-found", /not found/));
    assertNothingLeft();
  });

  test("control characters of a server's message do not reach the terminal", async () => {
    server.on("/v2/app/manifests/1", (_, response) =>
      response.writeHead(404).end(JSON.stringify({ errors: [{ message: "no\u001b[31m such\nthing" }] })),
    );
    await assert.rejects(
      registry.resolve(reference()),
      (error: BuildError) => !/[\u001b\n]/.test(error.message),
    );
  });
});
