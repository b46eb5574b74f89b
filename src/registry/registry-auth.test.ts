import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { BuildError, mediaTypes, parseReference } from "../core/index.ts";
import { mayLearnLogin, parseChallenges, readToken, tokenUrl } from "./authorization.ts";
import { endpointsOf, isLoopback } from "./endpoint.ts";
import { openRegistry, type Registry } from "./index.ts";
import { type HostileRegistry, type Reply, startHostileRegistry } from "./testing/index.ts";

let server: HostileRegistry;
let other: HostileRegistry;
let registry: Registry;
const platform = { os: "linux", architecture: "amd64" };

beforeEach(async () => {
  server = await startHostileRegistry();
  other = await startHostileRegistry();
  registry = openRegistry({ retryDelay: 1, attempts: 2, env: {} });
});
afterEach(async () => {
  registry.close();
  await server.close();
  await other.close();
});

const app = () => parseReference(`${server.host}/team/app:1`);

function serveImage(on: HostileRegistry): void {
  const config = { os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [] } };
  on.manifest("team/app", "1", {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: on.blob("team/app", Buffer.from(JSON.stringify(config)), mediaTypes.ociConfig),
    layers: [],
  });
}

/** Answers only with the token, otherwise with a challenge. */
function guarded(realm: string, token: string, reply: Reply): Reply {
  return (request, response) => {
    if (request.headers.authorization === `Bearer ${token}`) return reply(request, response);
    response
      .writeHead(401, { "www-authenticate": `Bearer realm="${realm}",service="here, there",scope="x"` })
      .end();
  };
}

describe("anonymous tokens", () => {
  test("are fetched once for a repository and sent along", async () => {
    serveImage(server);
    const manifest = "/v2/team/app/manifests/1";
    other.on("/token", (_, response) => response.end(JSON.stringify({ token: "T1", expires_in: 300 })));
    const honest: Reply = (_, response) =>
      response
        .writeHead(200, { "content-type": mediaTypes.ociIndex })
        .end(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] }));
    server.on(manifest, guarded(`http://${other.host}/token`, "T1", honest));
    for (let i = 0; i < 2; i++)
      await assert.rejects(
        registry.resolve(app(), { platform }),
        (error: BuildError) => error.code === "not-found",
      );
    assert.equal(other.requests.length, 1);
    const asked = new URL(other.requests[0]!.path, "http://x");
    assert.equal(asked.searchParams.get("scope"), "repository:team/app:pull");
    assert.equal(asked.searchParams.get("service"), "here, there");
    assert.deepEqual(
      server.requests.map(({ headers }) => headers.authorization),
      [undefined, "Bearer T1", "Bearer T1"],
    );
  });

  test("a registry that never accepts the token is not asked for ever", async () => {
    other.on("/token", (_, response) => response.end(JSON.stringify({ access_token: "T2" })));
    server.on(
      "/v2/team/app/manifests/1",
      guarded(`http://${other.host}/token`, "never", () => {}),
    );
    await assert.rejects(registry.resolve(app(), { platform }), (error: BuildError) => {
      assert.equal(error.code, "unauthenticated");
      assert.match(
        error.message,
        /pull access denied, repository does not exist or may require authorization/,
      );
      return true;
    });
    assert.equal(server.requests.length, 2);
  });

  test("a registry that wants a password says so", async () => {
    server.on("/v2/team/app/manifests/1", (_, response) =>
      response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end(),
    );
    await assert.rejects(registry.resolve(app()), (error: BuildError) => error.code === "unauthenticated");
  });

  test("never follow a redirect to another host", async () => {
    serveImage(other);
    other.on("/token", (_, response) => response.end(JSON.stringify({ token: "SECRET" })));
    const away = (path: string): Reply =>
      guarded(`http://${other.host}/token`, "SECRET", (_, response) =>
        response.writeHead(307, { location: `http://${other.host}${path}` }).end(),
      );
    server.on("/v2/team/app/manifests/1", away("/v2/team/app/manifests/1"));
    const config = await registry.resolve(parseReference(`${other.host}/team/app:1`), { platform });
    const blob = `/v2/team/app/blobs/${config.config.descriptor.digest}`;
    server.on(blob, away(blob));
    other.requests.length = 0;
    await registry.resolve(app(), { platform });
    assert.ok(other.requests.filter(({ path }) => !path.startsWith("/token")).length >= 2);
    for (const { headers } of other.requests) assert.equal(headers.authorization, undefined);
  });

  test("are not fetched because the target of a redirect wants one", async () => {
    server.on("/v2/team/app/manifests/1", (_, response) =>
      response.writeHead(307, { location: `http://${other.host}/store` }).end(),
    );
    other.on(
      "/store",
      guarded(`http://${other.host}/token`, "T", () => {}),
    );
    await assert.rejects(registry.resolve(app()), (error: BuildError) => error.code === "unauthenticated");
    assert.deepEqual(
      other.requests.map(({ path }) => path),
      ["/store"],
    );
  });

  test("redirects end", async () => {
    server.on("/v2/team/app/manifests/1", (_, response) =>
      response.writeHead(307, { location: "/v2/team/app/manifests/1" }).end(),
    );
    await assert.rejects(registry.resolve(app()), /more than 10 redirects/);
    server.on("/v2/team/app/manifests/1", (_, response) =>
      response.writeHead(302, { location: "file:///etc/passwd" }).end(),
    );
    await assert.rejects(registry.resolve(app()), /not an HTTP URL/);
  });
});

describe("where tokens come from", () => {
  const [https] = endpointsOf(parseReference("example.com/app"), {});
  const bearer = (realm: string) => ({ scheme: "bearer", parameters: { realm } });
  for (const realm of [
    "",
    "/token",
    "ftp://example.com/",
    "http://example.com/token",
    "https://me:pw@example.com/",
    "file:///x",
  ])
    test(`not from ${JSON.stringify(realm)}`, () => {
      assert.throws(
        () => tokenUrl(bearer(realm), https!),
        (error: BuildError) => error.code === "unauthenticated",
      );
    });
  test("from another HTTPS host, keeping its own parameters", () => {
    const url = tokenUrl(bearer("https://auth.example.net/token?a=b"), https!);
    assert.equal(url.href, "https://auth.example.net/token?a=b&scope=repository%3Aapp%3Apull");
  });
  for (const answer of ["", "[]", "null", "{}", '{"token":1}', '{"token":"a\\r\\nb"}'])
    test(`token answer ${JSON.stringify(answer)} is refused`, async () => {
      const body = (async function* () {
        yield Buffer.from(answer);
      })();
      await assert.rejects(readToken(body, "x", 0), (error: BuildError) => error.code === "unauthenticated");
    });
});

test("challenges are parsed as HTTP has them", () => {
  assert.deepEqual(
    parseChallenges('Bearer realm="https://a/t?x=1,2",service="a \\"b\\"", Basic realm=simple'),
    [
      { scheme: "bearer", parameters: { realm: "https://a/t?x=1,2", service: 'a "b"' } },
      { scheme: "basic", parameters: { realm: "simple" } },
    ],
  );
  assert.deepEqual(parseChallenges(""), []);
  assert.deepEqual(parseChallenges("====="), []);
  assert.deepEqual(parseChallenges("Negotiate"), [{ scheme: "negotiate", parameters: {} }]);
});

describe("endpoints", () => {
  const urls = (name: string, settings = {}) =>
    endpointsOf(parseReference(name), settings).map(({ repository }) => repository.href);
  test("Docker Hub's own host, HTTPS outside, HTTP for loopback", () => {
    assert.deepEqual(urls("ubuntu"), ["https://registry-1.docker.io/v2/library/ubuntu/"]);
    assert.deepEqual(urls("example.com:5000/a/b"), ["https://example.com:5000/v2/a/b/"]);
    assert.deepEqual(urls("localhost:5000/a"), ["http://localhost:5000/v2/a/"]);
    assert.deepEqual(urls("[::1]:5000/a"), ["http://[::1]:5000/v2/a/"]);
    assert.deepEqual(urls("example.com/a", { "example.com": { http: true } }), ["http://example.com/v2/a/"]);
    assert.deepEqual(urls("localhost/a", { localhost: { insecure: true } }), ["https://localhost/v2/a/"]);
  });
  test("mirrors come first", () => {
    assert.deepEqual(urls("ubuntu", { "docker.io": { mirrors: ["m.example.com/hub", "127.0.0.1:5001"] } }), [
      "https://m.example.com/v2/hub/library/ubuntu/",
      "http://127.0.0.1:5001/v2/library/ubuntu/",
      "https://registry-1.docker.io/v2/library/ubuntu/",
    ]);
  });
  test("loopback is the machine itself and nothing that looks like it", () => {
    for (const host of ["localhost", "localhost:1", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000"])
      assert.ok(isLoopback(host));
    for (const host of ["127.0.0.1.example.com", "localhost.example.com", "10.0.0.1", "[::2]"])
      assert.ok(!isLoopback(host));
  });
  test("a mirror that fails leads to the registry itself", async () => {
    serveImage(server);
    const mirrored = openRegistry({
      env: {},
      retryDelay: 1,
      settings: { [server.host]: { mirrors: [other.host, "127.0.0.1:1"] } },
    });
    assert.equal((await mirrored.resolve(app(), { platform })).layers.length, 0);
    assert.equal(other.requests.length, 1);
    await assert.rejects(
      mirrored.resolve(parseReference(`${server.host}/team/no:1`), { platform }),
      (error: BuildError) => {
        assert.match(
          error.message,
          /not found.*; mirror 127\.\S+: .*not found.*; mirror 127\.0\.0\.1:1: .*cannot be reached/,
        );
        return true;
      },
    );
    mirrored.close();
  });
});

test("a host that is not there is named", async () => {
  await assert.rejects(registry.resolve(parseReference("127.0.0.1:1/app")), (error: unknown) => {
    assert.ok(error instanceof BuildError);
    assert.equal(error.code, "unavailable");
    assert.match(error.message, /registry 127\.0\.0\.1:1 cannot be reached/);
    return true;
  });
});

test("which token servers may see a login", () => {
  const allowed = (name: string, realm: string, settings = {}) => {
    const endpoint = endpointsOf(parseReference(`${name}/app`), settings).at(-1)!;
    return mayLearnLogin(new URL(realm), endpoint);
  };
  for (const [registry, realm] of [
    ["docker.io", "https://auth.docker.io/token"],
    ["ghcr.io", "https://ghcr.io/token"],
    ["registry.gitlab.com", "https://gitlab.com/jwt/auth"],
    ["registry.example.com", "https://auth.example.com/token"],
    ["localhost:5000", "http://localhost:5000/token"],
  ] as const)
    assert.ok(allowed(registry, realm), `${registry} ${realm}`);
  for (const [registry, realm] of [
    ["docker.io", "https://auth.docker.io.example.com/token"],
    ["docker.io", "https://notdocker.io/token"],
    ["ghcr.io", "https://evil.io/token"],
    ["registry.co.uk", "https://evil.co.uk/token"],
    ["registry.example.com", "https://example.org/token"],
    ["10.0.0.1", "https://10.0.0.2/token"],
    ["localhost:5000", "http://localhost:5001/token"],
    ["localhost:5000", "https://evil.example.com/token"],
  ] as const)
    assert.ok(!allowed(registry, realm), `${registry} ${realm}`);
  const settings = { "registry.example.com": { realms: ["login.example.org"] } };
  assert.ok(allowed("registry.example.com", "https://login.example.org/token", settings));
});
