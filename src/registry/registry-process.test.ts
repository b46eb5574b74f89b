import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { openContentStore } from "../content/index.ts";
import { digestOf, hexOf, hostPlatform, mediaTypes, parseReference } from "../core/index.ts";
import { openRegistry } from "./index.ts";
import { type RegistryProcess, startRegistry } from "./testing/index.ts";

function installed(tool: string): boolean {
  try {
    execFileSync("sh", ["-c", `command -v ${tool}`], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const missing = ["docker-registry", "skopeo"].filter((tool) => !installed(tool));

describe("a real registry", { skip: missing.length > 0 ? `needs ${missing.join(" and ")}` : false }, () => {
  const directory = mkdtempSync(join(tmpdir(), "registry-process-"));
  const client = openRegistry({ env: {} });
  let registry: RegistryProcess;
  let layerDigest: string;

  before(async () => {
    registry = await startRegistry();
    layerDigest = writeLayout(join(directory, "layout"));
    await registry.push(`oci:${join(directory, "layout")}:one`, "team/app:1");
    await registry.push(`oci:${join(directory, "layout")}:one`, "team/app:docker", ["--format", "v2s2"]);
  });
  after(() => {
    client.close();
    registry?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  for (const [tag, type] of [
    ["1", mediaTypes.ociManifest],
    ["docker", mediaTypes.dockerManifest],
  ] as const)
    test(`gives ${type}`, async () => {
      const content = openContentStore(join(directory, `store-${tag}`));
      const reference = parseReference(`${registry.host}/team/app:${tag}`);
      const image = await client.resolve(reference, { content });
      assert.equal(image.target.mediaType, type);
      const told = execFileSync("skopeo", [
        "inspect",
        "--tls-verify=false",
        "--format={{.Digest}}",
        `docker://${registry.host}/team/app:${tag}`,
      ]);
      assert.equal(told.toString().trim(), image.target.digest);
      await client.pull(image, content);
      assert.deepEqual(
        image.layers.map(({ digest }) => digest),
        [layerDigest],
      );
      assert.equal(digestOf(content.read(image.layers[0]!.digest)), layerDigest);
      const byDigest = await client.resolve({ ...reference, digest: image.target.digest });
      assert.deepEqual(byDigest.manifest.bytes, image.manifest.bytes);
      assert.deepEqual(byDigest.config.bytes, image.config.bytes);
    });

  test("does not have what it does not have", async () => {
    await assert.rejects(
      client.resolve(parseReference(`${registry.host}/team/app:2`)),
      /team\/app:2: not found: manifest unknown/,
    );
    await assert.rejects(client.resolve(parseReference(`${registry.host}/nobody/app`)), {
      code: "not-found",
    });
  });
});

/** An OCI layout with one image of one layer, written by hand. Returns the layer's digest. */
function writeLayout(root: string): string {
  const blobs = join(root, "blobs", "sha256");
  mkdirSync(blobs, { recursive: true });
  const put = (bytes: Uint8Array, mediaType: string) => {
    const digest = digestOf(bytes);
    writeFileSync(join(blobs, hexOf(digest)), bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const tar = Buffer.alloc(1024);
  const layer = put(gzipSync(tar), mediaTypes.ociLayerGzip);
  const config = { ...hostPlatform(), rootfs: { type: "layers", diff_ids: [digestOf(tar)] } };
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: put(Buffer.from(JSON.stringify(config)), mediaTypes.ociConfig),
    layers: [layer],
  };
  const target = put(Buffer.from(JSON.stringify(manifest)), mediaTypes.ociManifest);
  const named = { ...target, annotations: { "org.opencontainers.image.ref.name": "one" } };
  writeFileSync(join(root, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [named] }));
  writeFileSync(join(root, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  return layer.digest;
}
