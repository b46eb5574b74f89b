import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { Credentials } from "../../config/index.ts";
import { type ContentStore, openContentStore } from "../../content/index.ts";
import { type BuildError, type Digest, mediaTypes, parseReference } from "../../core/index.ts";
import { type ImageToPush, openRegistry, type PushOptions, type RegistryClient } from "../index.ts";
import { type HostileRegistry, type Reply, startHostileRegistry } from "../testing/index.ts";

let server: HostileRegistry;
let other: HostileRegistry;
let directory: string;
let content: ContentStore;
let layer: { digest: Digest; size: number };
let image: ImageToPush;
let client: RegistryClient;

const login: Credentials = { kind: "password", username: "me", password: "PASSWORD" };

beforeEach(async () => {
  server = await startHostileRegistry();
  other = await startHostileRegistry();
  directory = mkdtempSync(join(tmpdir(), "push-"));
  content = openContentStore(directory);
  layer = await content.ingestBytes(randomBytes(300_000));
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociManifest }));
  const { digest, size } = await content.ingestBytes(bytes);
  const descriptor = { mediaType: mediaTypes.ociManifest, digest, size };
  image = { target: { descriptor, bytes }, manifests: [], blobs: [layer] };
  client = open();
  other.on("/stolen", (_, response) => response.end());
});
afterEach(async () => {
  client.close();
  await server.close();
  await other.close();
  rmSync(directory, { recursive: true });
});

const open = (credentials?: Credentials, settings = {}) =>
  openRegistry({ retryDelay: 1, attempts: 3, env: {}, settings, credentials: async () => credentials });
const push = (options: PushOptions = {}) =>
  client.push(parseReference(`${server.host}/team/app:1`), image, content, options);
const uploads = "/v2/team/app/blobs/uploads/";
const seen = () => server.requests.map(({ method, path }) => `${method} ${path.split("?")[0]}`);

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** A registry that takes everything; `patch` answers the transfers one after the other. */
function honest(...patch: Reply[]): { received: () => Buffer; accept: Reply } {
  let received = Buffer.alloc(0);
  const progress = (response: ServerResponse, status: number) =>
    response.writeHead(status, { location: "/session", range: `0-${received.length - 1}` }).end();
  const accept: Reply = (request, response) => {
    if (request.method === "PATCH")
      void bodyOf(request).then((body) => {
        received = Buffer.concat([received, body]);
        progress(response, 202);
      });
    else if (request.method === "GET") progress(response, 204);
    else response.writeHead(201, { "docker-content-digest": layer.digest }).end();
  };
  server.on(uploads, (_, response) => {
    received = Buffer.alloc(0);
    response.writeHead(202, { location: "/session" }).end();
  });
  server.on("/session", ...patch, accept);
  server.on("/v2/team/app/manifests/1", (request, response) =>
    response
      .writeHead(request.method === "HEAD" ? 404 : 201, {
        "docker-content-digest": image.target.descriptor.digest,
      })
      .end(),
  );
  const keep = (part: Buffer) => {
    received = Buffer.concat([received, part]);
  };
  kept = keep;
  return { received: () => received, accept };
}
let kept: (part: Buffer) => void;

/** Takes part of a transfer, then the line is dead. */
const breakAfter =
  (bytes: number): Reply =>
  (request) => {
    let got = Buffer.alloc(0);
    request.on("data", (chunk: Buffer) => {
      got = Buffer.concat([got, chunk]);
      if (got.length < bytes) return;
      request.removeAllListeners("data");
      kept(got.subarray(0, bytes));
      request.socket.destroy();
    });
    request.on("error", () => undefined);
  };

describe("transfers", () => {
  test("blobs come first, what the name means last", async () => {
    const { received } = honest();
    const states: string[] = [];
    const result = await push({ onProgress: ({ state, current }) => states.push(`${state} ${current}`) });
    assert.equal(result.uploaded, 1);
    assert.ok(received().equals(content.read(layer.digest)));
    assert.deepEqual(seen(), [
      `HEAD /v2/team/app/blobs/${layer.digest}`,
      `POST ${uploads}`,
      "PATCH /session",
      "PUT /session",
      "HEAD /v2/team/app/manifests/1",
      "PUT /v2/team/app/manifests/1",
    ]);
    assert.match(server.requests[3]!.path, new RegExp(`digest=${encodeURIComponent(layer.digest)}`));
    assert.equal(states.at(-1), "pushed 300000");
  });

  test("one that breaks off goes on where it stopped", async () => {
    const { received } = honest(breakAfter(100_000));
    await push();
    assert.ok(received().equals(content.read(layer.digest)));
    const ranges = server.requests.filter(({ method }) => method === "PATCH");
    assert.deepEqual(
      ranges.map(({ headers }) => [headers["content-range"], headers["content-length"]]),
      [
        [undefined, "300000"],
        ["100000-299999", "200000"],
      ],
    );
  });

  test("one that the registry has forgotten begins anew, and not for ever", async () => {
    honest(breakAfter(1), (_, response) => response.writeHead(404).end());
    await push();
    assert.equal(seen().filter((line) => line === `POST ${uploads}`).length, 2);
    server.on("/session", (_, response) => response.writeHead(503).end());
    await assert.rejects(push(), (error: BuildError) => error.code === "unavailable");
  });

  test("a registry that is busy is asked again", async () => {
    honest();
    server.on(
      uploads,
      (_, response) => response.writeHead(429, { "retry-after": "0" }).end(),
      (_, response) => response.writeHead(202, { location: "/session" }).end(),
    );
    assert.equal((await push()).uploaded, 1);
  });

  test("a blob of another repository is mounted, or sent when it cannot be", async () => {
    honest();
    server.on(uploads, (_, response) => response.writeHead(201, { location: "/x" }).end());
    assert.equal((await push({ mountFrom: () => "team/base" })).uploaded, 0);
    const { path } = server.requests.find(({ method }) => method === "POST")!;
    assert.deepEqual(Object.fromEntries(new URL(path, "http://x").searchParams), {
      mount: layer.digest,
      from: "team/base",
    });
    honest();
    assert.equal((await push({ mountFrom: () => "team/base" })).uploaded, 1);
  });

  test("an abort ends it", async () => {
    honest((request) => request.resume());
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    await assert.rejects(push({ signal: stop.signal }));
    assert.ok(!seen().includes("PUT /v2/team/app/manifests/1"));
  });
});

describe("a registry that lies", () => {
  const wrong = `sha256:${"0".repeat(64)}`;
  const rejects = (message: RegExp, code = "data-loss") =>
    assert.rejects(push(), (error: BuildError) => {
      assert.match(error.message, message);
      assert.equal(error.code, code);
      return true;
    });

  test("about the manifest's digest", async () => {
    honest();
    server.on("/v2/team/app/manifests/1", (request, response) =>
      response.writeHead(request.method === "HEAD" ? 404 : 201, { "docker-content-digest": wrong }).end(),
    );
    await rejects(/says it has sha256:0+ instead of sha256:/);
  });
  test("about the manifest's digest, when it is asked afterwards", async () => {
    honest();
    server.on(
      "/v2/team/app/manifests/1",
      (_, response) => response.writeHead(404).end(),
      (_, response) => response.writeHead(201).end(),
      (_, response) => response.writeHead(200, { "docker-content-digest": wrong }).end(),
    );
    await rejects(/says it has sha256:0+ instead/);
  });
  test("about a blob's digest", async () => {
    const { accept } = honest();
    server.on("/session", (request, response) =>
      request.method === "PUT"
        ? response.writeHead(201, { "docker-content-digest": wrong }).end()
        : accept(request, response),
    );
    await rejects(/says it has sha256:0+ instead/);
  });
  test("about a blob's size", async () => {
    honest();
    server.on(`/v2/team/app/blobs/${layer.digest}`, (_, response) =>
      response.writeHead(200, { "content-length": "7" }).end(),
    );
    await rejects(/has it with 7 bytes instead of 300000/);
  });
  test("about where an upload goes on", async () => {
    for (const location of ["", "file:///etc/passwd", "http://me:pw@127.0.0.1/"]) {
      honest();
      server.on(uploads, (_, response) => response.writeHead(202, { location }).end());
      await rejects(/sends the upload to/, "unavailable");
    }
  });
});

describe("logins", () => {
  /** Answers with the token or password alone. */
  const guarded =
    (challenge: string, header: string, reply: Reply): Reply =>
    (request, response) =>
      request.headers.authorization === header
        ? reply(request, response)
        : response.writeHead(401, { "www-authenticate": challenge }).end();
  const basic = `Basic ${Buffer.from("me:PASSWORD").toString("base64")}`;
  const guard = (challenge: string, header: string): void => {
    const { accept } = honest();
    const manifest: Reply = (request, response) =>
      response.writeHead(request.method === "HEAD" ? 404 : 201).end();
    server.on(
      `/v2/team/app/blobs/${layer.digest}`,
      guarded(challenge, header, (_, r) => r.writeHead(404).end()),
    );
    server.on(
      uploads,
      guarded(challenge, header, (_, r) => r.writeHead(202, { location: "/session" }).end()),
    );
    server.on("/session", guarded(challenge, header, accept));
    server.on("/v2/team/app/manifests/1", guarded(challenge, header, manifest));
  };
  const reopen = (credentials: Credentials | undefined, settings = {}): void => {
    client.close();
    client = open(credentials, settings);
  };

  test("a password goes to a registry that asks for it, once for all requests", async () => {
    reopen(login);
    guard('Basic realm="x"', basic);
    await push();
    assert.equal(server.requests.filter(({ headers }) => headers.authorization === undefined).length, 1);
  });

  test("a token is fetched with the password, for pull and push and for what is mounted", async () => {
    reopen(login);
    guard(`Bearer realm="http://${server.host}/token",service="s"`, "Bearer T");
    server.on("/token", (_, response) => response.end('{"token":"T"}'));
    await push({ mountFrom: () => "team/base" });
    const [asked, ...more] = server.requests.filter(({ path }) => path.startsWith("/token"));
    assert.equal(more.length, 0);
    assert.equal(asked!.headers.authorization, basic);
    const { searchParams } = new URL(asked!.path, "http://x");
    assert.deepEqual(searchParams.getAll("scope"), [
      "repository:team/app:pull,push",
      "repository:team/base:pull",
    ]);
    assert.equal(searchParams.get("service"), "s");
    const others = server.requests.filter((one) => one !== asked);
    for (const { headers } of others) assert.notEqual(headers.authorization, basic);
  });

  test("a refresh token is sent in a form", async () => {
    reopen({ kind: "identity", token: "REFRESH" });
    guard(`Bearer realm="http://${server.host}/token",service="s"`, "Bearer T2");
    let form = "";
    server.on("/token", (request, response) => {
      void bodyOf(request).then((body) => {
        form = `${request.method} ${body}`;
        response.end('{"access_token":"T2"}');
      });
    });
    await push();
    assert.match(form, /^POST .*grant_type=refresh_token&refresh_token=REFRESH&service=s&.*scope=repository/);
    for (const { path } of server.requests) assert.doesNotMatch(path, /REFRESH/);
  });

  test("a token server elsewhere never learns the password, unless the settings name it", async () => {
    reopen(login);
    guard(`Bearer realm="http://${other.host}/token"`, "Bearer T");
    other.on("/token", (_, response) => response.end('{"token":"T"}'));
    await assert.rejects(push(), (error: BuildError) => {
      assert.equal(error.code, "unauthenticated");
      assert.match(error.message, /its login is not sent there/);
      assert.doesNotMatch(`${error.message}${error.hint}`, /PASSWORD/);
      return true;
    });
    assert.equal(other.requests.length, 0);
    reopen(login, { [server.host]: { realms: [other.host] } });
    await push();
    assert.equal(other.requests[0]?.headers.authorization, basic);
  });

  test("no upload, redirect or token server's redirect takes a login to another host", async () => {
    reopen(login);
    for (const away of ["location", "redirect", "token"]) {
      guard('Basic realm="x"', basic);
      const there: Reply = (_, r) => r.writeHead(307, { location: `http://${other.host}/stolen` }).end();
      if (away === "location")
        server.on(
          uploads,
          guarded('Basic realm="x"', basic, (_, r) =>
            r.writeHead(202, { location: `http://${other.host}/stolen` }).end(),
          ),
        );
      if (away === "redirect") server.on(uploads, guarded('Basic realm="x"', basic, there));
      if (away === "token") {
        guard(`Bearer realm="http://${server.host}/token"`, "Bearer T");
        server.on("/token", there);
      }
      other.requests.length = 0;
      other.on("/stolen", (request, response) => {
        request.resume();
        response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
      });
      await assert.rejects(push(), away);
      assert.ok(other.requests.length > 0, away);
      for (const { headers, path } of other.requests) {
        assert.equal(headers.authorization, undefined);
        assert.doesNotMatch(path, /PASSWORD/);
      }
      reopen(login);
    }
  });

  test("a refresh token follows no redirect to another host", async () => {
    reopen({ kind: "identity", token: "REFRESH" });
    guard(`Bearer realm="http://${server.host}/token"`, "Bearer T");
    server.on("/token", (request, response) => {
      request.resume();
      response.writeHead(307, { location: `http://${other.host}/stolen` }).end();
    });
    await assert.rejects(push(), /a login is not sent to another host/);
    assert.equal(other.requests.length, 0);
  });

  test("blobs that go at once share one token", async () => {
    reopen(login);
    guard(`Bearer realm="http://${server.host}/token"`, "Bearer T");
    server.on("/token", (_, response) => setTimeout(() => response.end('{"token":"T"}'), 20));
    const blobs = [layer];
    for (let i = 0; i < 3; i++) {
      const blob = await content.ingestBytes(randomBytes(10));
      blobs.push(blob);
      server.on(
        `/v2/team/app/blobs/${blob.digest}`,
        guarded(`Bearer realm="http://${server.host}/token"`, "Bearer T", (_, r) => r.end(Buffer.alloc(10))),
      );
    }
    image = { ...image, blobs };
    assert.equal((await push()).uploaded, 1);
    assert.equal(server.requests.filter(({ path }) => path.startsWith("/token")).length, 1);
  });

  test("without one, the error says how to log in", async () => {
    guard('Basic realm="x"', basic);
    await assert.rejects(push(), (error: BuildError) => {
      assert.equal(error.code, "unauthenticated");
      assert.match(error.message, /push access denied/);
      assert.match(String(error.hint), /stagewright login/);
      return true;
    });
  });

  test("are checked before they are kept", async () => {
    server.on(
      "/v2/",
      guarded('Basic realm="x"', basic, (_, response) => response.end("{}")),
    );
    await client.checkLogin(server.host, login);
    await assert.rejects(
      client.checkLogin(server.host, { kind: "password", username: "me", password: "no" }),
      (error: BuildError) =>
        error.code === "unauthenticated" && /does not take the login/.test(error.message),
    );
    server.on("/v2/", (_, response) => response.writeHead(404).end());
    await assert.rejects(client.checkLogin(server.host, login), /not found/);
  });
});
