import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { join } from "node:path";
import { after, afterEach, test } from "node:test";
import { BuildError } from "../../core/index.ts";
import { dockerEndpoint } from "../../docker/index.ts";
import { exportResult } from "../index.ts";
import { draftOf, sourceOf, temporaryStore, twoLayers } from "../testing/fixture.ts";
import { findEngine } from "./index.ts";

const store = temporaryStore();
after(store.remove);
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

/** An engine that says what the test wants, on a socket of its own. */
async function engineOf(listener: RequestListener) {
  const server = createServer(listener);
  servers.push(server);
  const socket = store.path(`docker-${Math.random()}.sock`);
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return findEngine({ env: { DOCKER_HOST: `unix://${socket}`, DOCKER_CONFIG: store.base } });
}

async function image() {
  const draft = draftOf(await twoLayers(store));
  const exported = await exportResult(sourceOf(draft), { type: "image", names: [] }, store);
  return exported.image!;
}

test("endpoints are those of docker", () => {
  const env = { DOCKER_CONFIG: store.base };
  const at = (extra: NodeJS.ProcessEnv) => dockerEndpoint(undefined, { ...env, ...extra });
  assert.deepEqual(at({}), {
    name: "unix:///var/run/docker.sock",
    address: { socketPath: "/var/run/docker.sock" },
    explicit: false,
  });
  assert.deepEqual(at({ DOCKER_HOST: "tcp://[::1]" }).address, { host: "::1", port: 2375 });
  assert.deepEqual(at({ DOCKER_HOST: "tcp://engine:99/" }).address, { host: "engine", port: 99 });
  mkdirSync(join(store.base, "certs"));
  writeFileSync(join(store.base, "certs", "ca.pem"), "authority");
  const secure = { DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: join(store.base, "certs") };
  assert.deepEqual(at({ DOCKER_HOST: "tcp://engine", ...secure }).address, {
    host: "engine",
    port: 2376,
    tls: { verify: true, ca: "authority" },
  });
  assert.throws(() => at({ DOCKER_HOST: "ssh://me@there" }), /cannot be reached from here/);
  assert.throws(() => at({ DOCKER_CONTEXT: "none" }), /no context "none"/);
  writeFileSync(join(store.base, "config.json"), '{"currentContext":"../../etc"}');
  assert.throws(() => at({}), /no context/);
  writeFileSync(join(store.base, "config.json"), "{}");
});

test("an engine that answers with something else is named", async () => {
  await assert.rejects(
    engineOf((_, response) => void response.end("<html>")),
    (error: BuildError) =>
      error.code === "unavailable" && /not answer as a Docker engine/.test(error.message),
  );
  await assert.rejects(
    engineOf((_, response) => void response.writeHead(500).end('{"message":"out of\\u001b[31m order"}')),
    /out of \[31m order/,
  );
  await assert.rejects(
    engineOf((_, response) => {
      const chunk = Buffer.alloc(1 << 20, "x");
      const more = (): void => void (response.destroyed || response.write(chunk, more));
      more();
    }),
    (error: BuildError) => error.code === "resource-exhausted",
    "an endless answer ends",
  );
});

test("what the engine says of the archive is the error, whenever it says it", async () => {
  const built = await image();
  const refusing =
    (load: RequestListener): RequestListener =>
    (request, response) => {
      if (request.url === "/info") return void response.end('{"DriverStatus":[["Backing Filesystem","x"]]}');
      if (request.url === "/images/json") return void response.end("[]");
      if (request.method === "GET") return void response.writeHead(404).end("{}");
      load(request, response);
    };
  const loading = async (listener: RequestListener) =>
    (await engineOf(refusing(listener)))!.load(built, ["hello"], store, {});
  await assert.rejects(
    loading((request, response) => {
      request.resume().on("end", () => response.end('{"stream":"…"}\n{"error":"no space left on device"}\n'));
    }),
    /no space left on device/,
  );
  await assert.rejects(
    loading(
      (_, response) => void response.writeHead(403, { connection: "close" }).end('{"message":"not you"}'),
    ),
    /not you/,
  );
  await assert.rejects(
    loading((request) => void request.socket.destroy()),
    (error: BuildError) => error instanceof BuildError && error.code === "unavailable",
  );
  const aborted = new AbortController();
  const stuck = (await engineOf(refusing(() => setTimeout(() => aborted.abort(), 50))))!;
  await assert.rejects(stuck.load(built, ["hello"], store, { signal: aborted.signal }));
});
