import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type DockerEngine, startDockerEngine } from "./docker-engine.ts";
import { createSandbox, isRoot, tool } from "./sandbox.ts";

const sandbox = createSandbox("load");
const at = (name: string) => join(sandbox.directory, name);
const big = Buffer.alloc(3_000_000, "incompressible? no: but the layer is sent as it is\n");
const context = sandbox.files("app", {
  Dockerfile: `FROM scratch AS base
COPY big /big
FROM base
ARG NOTE=none
COPY <<EOF /note
$NOTE
EOF
CMD ["/none"]
`,
  big,
});
/** What the engines have must not come from the machine's own. */
const env = {
  DOCKER_CONFIG: at("docker-config"),
  DOCKER_HOST: "",
  DOCKER_CONTEXT: "",
  CONTAINERD_ADDRESS: at("none"),
};

describe("Docker", {
  skip: (!isRoot || !existsSync("/usr/sbin/dockerd")) && "needs root and docker.io",
}, () => {
  let engine: DockerEngine;
  const here = { env: { ...env, DOCKER_HOST: `unix://${at("engine/docker.sock")}` } };
  before(async () => {
    engine = await startDockerEngine(at("engine"));
  });
  after(() => engine?.stop());
  const idOf = async (name: string) =>
    (await engine.docker("image", "inspect", "--format", "{{.Id}}", name)).trim();
  const load = async (name: string, ...args: string[]) => {
    const iid = at("iid");
    const { stderr } = await sandbox.ok(
      ["build", "--progress", "plain", "-t", name, "--iidfile", iid, ...args, context],
      here,
    );
    return { id: readFileSync(iid, "utf8"), stderr };
  };
  const sentBytes = (stderr: string) => {
    const [, amount = "0", unit = ""] = [...stderr.matchAll(/sending image ([\d.]+)([kM]?)B/g)].at(-1) ?? [];
    return Number(amount) * (unit === "M" ? 1e6 : unit === "k" ? 1e3 : 1);
  };

  test("--load brings the image there once; a second time nothing is sent", async () => {
    const first = await load("app:1", "--load");
    assert.equal(await idOf("app:1"), first.id);
    assert.match(first.stderr, /loading into Docker at unix:/);
    assert.ok(sentBytes(first.stderr) > big.length);
    const second = await load("app:1", "--load");
    assert.match(second.stderr, /it has already sha256:/);
    assert.equal(sentBytes(second.stderr), 0);
    await load("app:again", "--load");
    assert.equal(await idOf("app:again"), first.id, "only the name is new");
    assert.match((await sandbox.ok(["images", "app"])).stdout, /^app +1 /m, "it is in the local store, too");
  });

  test("layers that are there are not sent", async () => {
    const { id, stderr } = await load("app:2", "--load", "--build-arg", "NOTE=other");
    assert.equal(await idOf("app:2"), id);
    assert.ok(sentBytes(stderr) < big.length / 10, `${sentBytes(stderr)} bytes`);
    await engine.docker("save", "-o", at("back.tar"), "app:2");
    const listing = await tool("tar", ["tf", at("back.tar")]);
    assert.equal(listing.match(/layer\.tar/g)?.length, 2, "the engine has both layers");
  });

  test("-o type=docker without a file is the same, and keeps no name here", async () => {
    const { id } = await load("app:3", "-o", "type=docker", "--build-arg", "NOTE=three");
    assert.equal(await idOf("app:3"), id);
    assert.doesNotMatch((await sandbox.ok(["images", "app"])).stdout, /^app +3 /m);
  });

  test("the engine is found by Docker's contexts", async () => {
    const meta = join(env.DOCKER_CONFIG, "contexts/meta", createHash("sha256").update("mine").digest("hex"));
    mkdirSync(meta, { recursive: true });
    const endpoint = { Name: "mine", Endpoints: { docker: { Host: here.env.DOCKER_HOST } } };
    writeFileSync(join(meta, "meta.json"), JSON.stringify(endpoint));
    await sandbox.ok(["build", "-t", "app:4", "--load", context], {
      env: { ...env, DOCKER_CONTEXT: "mine" },
    });
    await idOf("app:4");
    await sandbox.ok(["build", "-t", "app:5", "-o", "type=docker,context=mine", context], { env });
    await idOf("app:5");
    const unknown = await sandbox.run(["build", "--load", context], {
      env: { ...env, DOCKER_CONTEXT: "other" },
    });
    assert.match(unknown.stderr, /Docker has no context "other"/);
  });

  test("several platforms are refused before anything is built", async () => {
    const two = await sandbox.run(
      ["build", "--load", "--platform", "linux/amd64,linux/arm64", context],
      here,
    );
    assert.equal(two.code, 1);
    assert.match(two.stderr, /docker exporter does not currently support exporting manifest lists/);
    assert.doesNotMatch(two.stderr, /COPY/);
  });

  test("an engine that was asked for and is not there is an error", async () => {
    const gone = { env: { ...env, DOCKER_HOST: `unix://${at("no.sock")}` } };
    const { code, stderr } = await sandbox.run(["build", "--load", context], gone);
    assert.equal(code, 1);
    assert.match(stderr, /cannot connect to the Docker engine at unix:.*no\.sock/);
  });
});

describe("Docker behind TLS", {
  skip: (!isRoot || !existsSync("/usr/sbin/dockerd")) && "needs root and docker.io",
}, () => {
  let engine: DockerEngine;
  let port = 0;
  const host = (name = "127.0.0.1") => `tcp://${name}:${port}`;
  const client = { DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: at("tls/client") };
  before(async () => {
    await makeCertificates();
    const free = createServer().listen(0, "127.0.0.1");
    await once(free, "listening");
    port = (free.address() as AddressInfo).port;
    free.close();
    const server = ["cacert=ca.pem", "cert=server/cert.pem", "key=server/key.pem"].map((flag) => {
      const [name, file] = flag.split("=") as [string, string];
      return `--tls${name}=${at(`tls/${file}`)}`;
    });
    engine = await startDockerEngine(at("secured"), [`--host=${host()}`, "--tlsverify", ...server]);
  });
  after(() => engine?.stop());

  /** An authority, the engine's certificate for 127.0.0.1, a client's, and one of another authority. */
  async function makeCertificates(): Promise<void> {
    const openssl = (...args: string[]) => tool("openssl", args, { cwd: at("tls") });
    const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    sandbox.files("tls", {
      "server/extensions": "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n",
      "client/extensions": "extendedKeyUsage=clientAuth\n",
      "stranger/extensions": "extendedKeyUsage=clientAuth\n",
    });
    for (const authority of ["ca", "other"]) {
      const files = ["-keyout", `${authority}.key`, "-out", `${authority}.pem`];
      await openssl("req", "-x509", ...kind, ...files, "-subj", `/CN=${authority}`);
    }
    for (const [name, authority] of [
      ["server", "ca"],
      ["client", "ca"],
      ["stranger", "other"],
    ] as const) {
      const request = ["-keyout", `${name}/key.pem`, "-out", `${name}/request`, "-subj", `/CN=${name}`];
      await openssl("req", ...kind.slice(0, 5), ...request);
      const signer = ["-CA", `${authority}.pem`, "-CAkey", `${authority}.key`, "-CAcreateserial"];
      const signed = ["-in", `${name}/request`, "-out", `${name}/cert.pem`, "-days", "2"];
      await openssl("x509", "-req", ...signed, ...signer, "-extfile", `${name}/extensions`);
      copyFileSync(at("tls/ca.pem"), at(`tls/${name}/ca.pem`));
    }
  }

  test("--load and docker-daemon: go through it", async () => {
    const there = { env: { ...env, DOCKER_HOST: host(), ...client } };
    const { stderr } = await sandbox.ok(
      ["build", "--load", "--progress=plain", "-t", "tls:1", context],
      there,
    );
    assert.match(stderr, /loading into Docker at tcp:\/\/127\.0\.0\.1:\d+/);
    await engine.docker("image", "inspect", "tls:1");
    const from = sandbox.files("from-tls", { Dockerfile: "FROM base\nCOPY Dockerfile /\n" });
    const built = await sandbox.ok(
      ["build", "--progress=plain", "--build-context=base=docker-daemon:tls:1", from],
      there,
    );
    assert.match(built.stderr, /COPY Dockerfile/);
  });

  test("who is not who they should be is refused, and the reason is said", async () => {
    const refused = async (extra: NodeJS.ProcessEnv, reason: RegExp): Promise<void> => {
      const there = { env: { ...env, DOCKER_HOST: host(), ...extra } };
      const { code, stderr } = await sandbox.run(["build", "--load", context], there);
      assert.equal(code, 1, stderr);
      assert.match(stderr, reason);
    };
    const certificates = (name: string) => ({ ...client, DOCKER_CERT_PATH: at(`tls/${name}`) });
    await refused({}, /wants TLS\nHint: set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH/);
    await refused(
      certificates("stranger"),
      /cannot connect .*: (ssl\/)?tls\S* alert [\w ]+\nHint: .*cert\.pem/,
    );
    await refused(certificates("none"), /DOCKER_TLS_VERIFY is set, and there is no .*tls\/none\/ca\.pem/);
    await refused({ ...client, DOCKER_HOST: host("localhost") }, /does not match certificate's altnames/);
    sandbox.files("tls/deceived", Object.fromEntries(["cert.pem", "key.pem"].map(ofClient)));
    copyFileSync(at("tls/other.pem"), at("tls/deceived/ca.pem"));
    await refused(certificates("deceived"), /unable to verify the first certificate/);
  });

  function ofClient(file: string): [string, Buffer] {
    return [file, readFileSync(at(`tls/client/${file}`))];
  }
});

describe("containerd", {
  skip: (!isRoot || !existsSync("/usr/bin/ctr")) && "needs root and containerd",
}, () => {
  const address = at("containerd.sock");
  let stop = async () => {};
  before(async () => {
    writeFileSync(
      at("containerd.toml"),
      `version = 2\nroot = "${at("ctd")}"\nstate = "${at("ctd-state")}"\n[grpc]\n  address = "${address}"\n`,
    );
    const daemon = spawn(
      "setpriv",
      ["--pdeathsig", "TERM", "containerd", "--config", at("containerd.toml"), "--log-level", "error"],
      { stdio: "ignore" },
    );
    stop = async () => {
      if (daemon.exitCode !== null) return;
      daemon.kill("SIGTERM");
      await once(daemon, "exit");
    };
    for (let waited = 0; !existsSync(address); waited += 50) {
      if (daemon.exitCode !== null || waited > 30_000) throw new Error("containerd did not start");
      await sleep(50);
    }
  });
  after(() => stop());

  test("takes an index whole, once", {
    skip: existsSync("/var/run/docker.sock") && "Docker comes first",
  }, async () => {
    const there = { env: { ...env, CONTAINERD_ADDRESS: address } };
    const build = [
      "build",
      "--load",
      "--progress",
      "plain",
      "--platform",
      "linux/amd64,linux/arm64",
      "-t",
      "multi:1",
    ];
    const first = await sandbox.ok([...build, "--iidfile", at("index"), context], there);
    assert.match(first.stderr, /loading into containerd at/);
    const list = await tool("ctr", ["--address", address, "images", "list"]);
    const row = list.split("\n").find((line) => line.startsWith("docker.io/library/multi:1 ")) ?? list;
    assert.match(row, new RegExp(readFileSync(at("index"), "utf8")));
    assert.match(row, /linux\/amd64,linux\/arm64/);
    assert.match((await sandbox.ok([...build, context], there)).stderr, /it has already sha256:/);
    await sandbox.ok([...build, "-t", "multi:2", context], there);
    assert.match(await tool("ctr", ["--address", address, "images", "list", "-q"]), /multi:2/);
  });
});

test("with no engine, --load leaves the image in the store and says so", {
  skip: existsSync("/var/run/docker.sock") && "this machine has a Docker engine",
}, async () => {
  const { stderr } = await sandbox.ok(["build", "--load", "-t", "alone", context], { env });
  assert.match(stderr, /no Docker engine and no containerd here: the image is in the local store alone/);
  await sandbox.ok(["inspect", "alone"]);
  const asked = await sandbox.run(["build", "-o", "type=docker", context], { env });
  assert.equal(asked.code, 1);
  assert.match(asked.stderr, /there is no Docker engine and no containerd to load the image into/);
});
