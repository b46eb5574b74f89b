import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createPlainServer } from "node:http";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { BuildError, mediaTypes, parseReference } from "../core/index.ts";
import { openRegistry, type RegistryOptions } from "./index.ts";

const directory = mkdtempSync(join(tmpdir(), "transport-"));
const ca = join(directory, "cert.pem");
const empty = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] });

/** What a client says of an index without images: proof that it got through. */
async function ask(name: string, options: RegistryOptions): Promise<BuildError> {
  const registry = openRegistry({ attempts: 1, env: {}, ...options });
  try {
    await registry.resolve(parseReference(name));
  } catch (error) {
    assert.ok(error instanceof BuildError, String(error));
    return error;
  } finally {
    registry.close();
  }
  throw new Error("an empty index has an image");
}

function listen(server: ReturnType<typeof createPlainServer>): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(`127.0.0.1:${(server.address() as { port: number }).port}`));
  });
}

describe("HTTPS", () => {
  let server: ReturnType<typeof createServer>;
  let host: string;
  before(async () => {
    const key = join(directory, "key.pem");
    const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
    const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    execFileSync("openssl", ["req", "-x509", ...kind, "-keyout", key, "-out", ca, ...subject], {
      stdio: "ignore",
    });
    server = createServer({ key: readFileSync(key), cert: readFileSync(ca) }, (_, response) =>
      response.end(empty),
    );
    host = await listen(server);
  });
  after(() => {
    server.close();
    server.closeAllConnections();
    rmSync(directory, { recursive: true, force: true });
  });

  const https = { http: false };
  test("a certificate of nobody is refused, with what to do", async () => {
    const error = await ask(`${host}/app`, { settings: { [host]: https } });
    assert.equal(error.code, "unavailable");
    assert.match(error.hint ?? "", /NODE_EXTRA_CA_CERTS/);
  });
  test("authorities are added from NODE_EXTRA_CA_CERTS and from the settings", async () => {
    const byEnv = await ask(`${host}/app`, { settings: { [host]: https }, env: { NODE_EXTRA_CA_CERTS: ca } });
    assert.equal(byEnv.code, "not-found", byEnv.message);
    const bySettings = await ask(`${host}/app`, { settings: { [host]: { ...https, ca: [ca] } } });
    assert.equal(bySettings.code, "not-found", bySettings.message);
  });
  test("insecure does without", async () => {
    assert.equal((await ask(`${host}/app`, { settings: { [host]: { insecure: true } } })).code, "not-found");
  });
  test("a missing authority file is named", async () => {
    const missing = join(directory, "missing.pem");
    const error = await ask(`${host}/app`, { settings: { [host]: { ca: [missing] } } });
    assert.equal(error.code, "failed-precondition");
    assert.match(error.message, /missing\.pem cannot be read/);
  });
  test("speaking HTTP to it is explained", async () => {
    const error = await ask(`${host}/app`, { settings: { [host]: { http: true } } });
    assert.match(error.hint ?? "", /HTTP/);
  });
});

test("proxies are used and NO_PROXY is obeyed", async () => {
  const seen: string[] = [];
  const proxy = createPlainServer((request, response) => {
    seen.push(request.url ?? "");
    response.end(empty);
  });
  const host = await listen(proxy);
  try {
    const settings = { "registry.invalid": { http: true } };
    const env = { HTTP_PROXY: `http://${host}` };
    assert.equal((await ask("registry.invalid/app:1", { settings, env })).code, "not-found");
    assert.equal(seen[0], "http://registry.invalid/v2/app/manifests/1");
    const direct = await ask("registry.invalid/app:1", {
      settings,
      env: { ...env, NO_PROXY: "registry.invalid" },
    });
    assert.equal(direct.code, "unavailable");
    assert.equal(seen.length, 1);
  } finally {
    proxy.close();
    proxy.closeAllConnections();
  }
});
