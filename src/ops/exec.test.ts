import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { openContentStore } from "../content/index.ts";
import { type BuildError, type BuildEvent, digestOf } from "../core/index.ts";
import { createExecutor, type Executor } from "../executor/index.ts";
import { busyboxLayer, cannotRunSteps, remove, temporaryDirectory } from "../executor/testing/busybox.ts";
import { type LayerStore, openLayerStore } from "../layer/index.ts";
import type { ExecMount, ExecOp, LlbVertex } from "../llb/index.ts";
import { openSession } from "../session/index.ts";
import type { JobContext, Op } from "../solver/index.ts";
import { localSource } from "../source/index.ts";
import { execOp } from "./exec.ts";
import type { Ref } from "./ref.ts";

const root: ExecMount = {
  input: 0,
  selector: "",
  dest: "/",
  output: 0,
  readonly: false,
  type: "bind",
  resultId: "",
  contentCache: "default",
};

function execBody(command: string | readonly string[], changes: Partial<ExecOp> = {}): ExecOp {
  return {
    kind: "exec",
    meta: {
      args: typeof command === "string" ? ["/bin/sh", "-c", command] : command,
      env: ["PATH=/bin"],
      cwd: "/",
      user: "",
      extraHosts: [],
      hostname: "",
      ulimits: [],
      cgroupParent: "",
      removeMountStubsRecursive: true,
      validExitCodes: [],
    },
    mounts: [root],
    network: "unset",
    security: "sandbox",
    secretEnv: [],
    cdiDevices: [],
    ...changes,
  };
}

function vertexOf(body: ExecOp): LlbVertex {
  const bytes = Buffer.from(JSON.stringify(body));
  const metadata = { name: "RUN", sources: [] } as unknown as LlbVertex["metadata"];
  return { digest: digestOf(bytes), bytes, op: { inputs: [], body }, inputs: [], metadata };
}

const unused = {
  layers: {} as LayerStore,
  root: "/nonexistent",
  executor: () => Promise.reject(new Error("not needed")),
  session: async () => openSession({}),
  entitlements: new Set<string>(),
};
const key = (text: string) => digestOf(text);

async function keyOf(
  body: ExecOp,
  inputKeys = [key("base")],
  platform = { os: "linux", architecture: "amd64" },
): Promise<string | undefined> {
  const vertex = vertexOf(body);
  const op = execOp({ ...vertex, op: { ...vertex.op, platform } }, unused);
  return (await op.definitionKey(inputKeys, {} as JobContext))?.key;
}

describe("the key of a step", () => {
  const usual = execBody("make");
  const meta = usual.meta;

  test("changes with everything that its result depends on", async () => {
    const variants = [
      keyOf(usual),
      keyOf(usual, [key("other base")]),
      keyOf(usual, undefined, { os: "linux", architecture: "arm64" }),
      keyOf(execBody("make all")),
      keyOf(execBody(["/bin/sh", "-c", "ma", "ke"])),
      keyOf({ ...usual, network: "none" }),
      keyOf({ ...usual, meta: { ...meta, env: ["PATH=/bin", "A=1"] } }),
      keyOf({ ...usual, meta: { ...meta, env: ["A=1", "PATH=/bin"] } }),
      keyOf({ ...usual, meta: { ...meta, cwd: "/src" } }),
      keyOf({ ...usual, meta: { ...meta, user: "joe" } }),
      keyOf({ ...usual, meta: { ...meta, hostname: "h" } }),
      keyOf({ ...usual, meta: { ...meta, extraHosts: [{ host: "a", ip: "1.1.1.1" }] } }),
      keyOf({ ...usual, mounts: [root, { ...root, input: -1, output: -1, dest: "/t", type: "tmpfs" }] }),
      keyOf({
        ...usual,
        mounts: [
          root,
          {
            ...root,
            input: -1,
            output: -1,
            dest: "/t",
            type: "cache",
            cache: { id: "a", sharing: "shared" },
          },
        ],
      }),
    ];
    const keys = await Promise.all(variants);
    assert.ok(!keys.includes(undefined));
    assert.equal(new Set(keys).size, keys.length);
  });

  test("does not change with proxies, addresses of extra hosts, or which cache is mounted", async () => {
    const proxyEnv = { httpProxy: "http://p", httpsProxy: "", ftpProxy: "", noProxy: "", allProxy: "" };
    assert.equal(await keyOf({ ...usual, meta: { ...meta, proxyEnv } }), await keyOf(usual));
    const host = (ip: string) => keyOf({ ...usual, meta: { ...meta, extraHosts: [{ host: "a", ip }] } });
    assert.equal(await host("1.1.1.1"), await host("2.2.2.2"));
    const cache = (id: string) =>
      keyOf({
        ...usual,
        mounts: [
          root,
          { ...root, input: -1, output: -1, dest: "/c", type: "cache", cache: { id, sharing: "locked" } },
        ],
      });
    assert.equal(await cache("a"), await cache("b"));
  });

  test("there is none while an input has none", async () => {
    assert.equal(
      await execOp(vertexOf(usual), unused).definitionKey([undefined], {} as JobContext),
      undefined,
    );
  });
});

test("what is not supported is refused by name", () => {
  const refused = (changes: Partial<ExecOp>, message: RegExp) =>
    assert.throws(() => execOp(vertexOf(execBody("x", changes)), unused), { code: "unimplemented", message });
  refused(
    { cdiDevices: [{ name: "vendor.com/gpu", optional: false }] },
    /"vendor.com\/gpu" is not registered/,
  );
  refused({ mounts: [root, { ...root, dest: "/out", output: 1 }] }, /the result of a mount on \/out/);
});

test("what nobody granted is refused, in BuildKit's words", () => {
  const opFor = (changes: Partial<ExecOp>, granted: string[]) =>
    execOp(vertexOf(execBody("x", changes)), { ...unused, entitlements: new Set(granted) });
  const refused = {
    code: "permission-denied",
    message: /^(security\.insecure|network\.host) is not allowed$/,
  };
  assert.throws(() => opFor({ security: "insecure" }, ["network.host"]), refused);
  assert.throws(() => opFor({ network: "host" }, ["security.insecure"]), refused);
  opFor({ security: "insecure", network: "host" }, ["network.host", "security.insecure"]);
});

describe("running", { skip: cannotRunSteps() }, () => {
  let base: string;
  let layers: LayerStore;
  let executor: Executor;
  let busybox: Ref;
  let events: BuildEvent[];

  before(async () => {
    base = temporaryDirectory();
    layers = openLayerStore(openContentStore(base));
    executor = await createExecutor({ stateDir: join(base, "run") });
    busybox = {
      kind: "snapshot",
      snapshot: { layers: [await layers.adoptUpper(busyboxLayer(executor.createUpper()))] },
    };
  });
  after(() => {
    executor.close();
    remove(base);
  });

  const opOf = (body: ExecOp): Op<Ref> =>
    execOp(vertexOf(body), { ...unused, layers, root: base, executor: async () => executor });

  function jobContext(): JobContext {
    events = [];
    return {
      signal: new AbortController().signal,
      vertex: digestOf("step"),
      emit: (event) => events.push(event),
    };
  }

  async function run(body: ExecOp, inputs: readonly Ref[] = [busybox]): Promise<Ref> {
    return (await opOf(body).exec(inputs, jobContext()))[0]!;
  }

  const printed = (): string =>
    events.map((event) => (event.kind === "log" ? Buffer.from(event.data).toString() : "")).join("");

  async function contentOf(ref: Ref, path: string): Promise<string | undefined> {
    assert.equal(ref.kind, "snapshot");
    const rootfs = await layers.rootfs(ref.kind === "snapshot" ? ref.snapshot : { layers: [] });
    return rootfs.lookup(path) === undefined ? undefined : rootfs.read(path).toString();
  }

  test("steps stand on each other, and each is a layer, even an empty one", async () => {
    const first = await run(execBody("echo one > /one; rm /etc/group"));
    const second = await run(execBody("cat /one; echo two >> /one; ls /etc/group 2>&1"), [first]).catch(
      (error: BuildError) => error,
    );
    assert.ok(second instanceof Error, "ls of a deleted file fails the step");
    const third = await run(execBody("cat /one && echo two >> /one"), [first]);
    assert.equal(printed(), "one\n");
    const fourth = await run(execBody("true"), [third]);
    assert.equal(await contentOf(third, "one"), "one\ntwo\n");
    assert.equal(await contentOf(first, "one"), "one\n");
    assert.equal(await contentOf(fourth, "etc/group"), undefined);
    assert.ok(fourth.kind === "snapshot");
    assert.equal(fourth.snapshot.layers.length, 4);
    const empty = await layers.view(fourth.snapshot.layers[3]!);
    assert.deepEqual(
      [...empty.entries("")].filter((entry) => entry.path !== ""),
      [],
    );
  });

  test("a failure tells command, exit code, the end of the output, and where all of it is", async () => {
    const many = "i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); done; exit 3";
    await assert.rejects(run(execBody(many)), (error: BuildError) => {
      assert.equal(error.code, "unknown");
      assert.equal(error.message, `process "/bin/sh -c ${many}" did not complete successfully: exit code: 3`);
      assert.equal(error.details.exitCode, 3);
      assert.equal(error.details.logTail?.at(-1), "line 99");
      assert.equal(statSync(error.details.logFile!).mode & 0o777, 0o600);
      assert.equal(readFileSync(error.details.logFile!, "utf8").split("\n").length, 101);
      return true;
    });
  });

  test("streams, exit codes that are fine, and proxies", async () => {
    const body = execBody("echo out; echo err >&2; echo $HTTP_PROXY $http_proxy; exit 5");
    const proxyEnv = { httpProxy: "http://p", httpsProxy: "", ftpProxy: "", noProxy: "", allProxy: "" };
    await run({ ...body, meta: { ...body.meta, validExitCodes: [0, 5], proxyEnv } });
    const streams = [1, 2].map((stream) =>
      events
        .flatMap((event) =>
          event.kind === "log" && event.stream === stream ? [Buffer.from(event.data).toString()] : [],
        )
        .join(""),
    );
    assert.deepEqual(streams, ["out\nhttp://p http://p\n", "err\n"]);
  });

  test("an aborted step is canceled and leaves no layer", async () => {
    const before = readdirSync(join(base, "layers")).length;
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    await assert.rejects(
      opOf(execBody("sleep 100")).exec([busybox], { ...jobContext(), signal: controller.signal }),
      { code: "canceled" },
    );
    assert.equal(readdirSync(join(base, "layers")).length, before);
  });

  test("a mount from a stage counts by the content of what is mounted", async () => {
    const stage = (text: string) =>
      run(execBody(`mkdir /a /b; echo ${text} > /b/file; echo ${Math.random()} > /a/other`));
    const bind = { ...root, input: 1, output: -1, dest: "/mnt", selector: "/b", readonly: true };
    const body = execBody("cat /mnt/file", { mounts: [root, bind] });
    const contentKey = async (text: string) =>
      (await opOf(body).contentKey!([busybox, await stage(text)], [key("base"), key("stage")], jobContext()))
        ?.key;
    assert.equal(await contentKey("x"), await contentKey("x"));
    assert.notEqual(await contentKey("x"), await contentKey("y"));
    const result = await run(body, [busybox, await stage("mounted")]);
    assert.equal(printed(), "mounted\n");
    assert.equal(await contentOf(result, "mnt"), undefined);
  });

  test("cache mounts outlive steps; locked ones are used in turn, private ones alone", async () => {
    const cache = (sharing: "shared" | "locked" | "private", command: string) =>
      run(
        execBody(command, {
          mounts: [
            root,
            {
              ...root,
              input: -1,
              output: -1,
              dest: "/cache",
              type: "cache",
              cache: { id: `test-${sharing}`, sharing },
            },
          ],
        }),
      );
    await cache("shared", "echo kept > /cache/file");
    const read = await cache("shared", "cat /cache/file");
    assert.equal(printed(), "kept\n");
    assert.equal(await contentOf(read, "cache/file"), undefined);

    const turn = "mkdir /cache/busy && sleep 0.1 && rmdir /cache/busy";
    await Promise.all([cache("locked", turn), cache("locked", turn), cache("locked", turn)]);
    await Promise.all([cache("private", turn), cache("private", turn)]);
    assert.equal(readdirSync(join(base, "cachemounts")).length, 3);
  });

  test("a scanned directory is mounted without what is excluded", async () => {
    const context = join(base, "context");
    mkdirSync(context);
    writeFileSync(join(context, "file"), "text\n");
    writeFileSync(join(context, "ignored"), "");
    const tree: Ref = {
      kind: "tree",
      tree: await localSource({ name: "context", directory: context, exclude: ["ignored"] }),
    };
    const bind = { ...root, input: 1, output: -1, dest: "/src", readonly: true };
    await run(execBody("cat /src/file; stat -c %u /src/file; ls /src", { mounts: [root, bind] }), [
      busybox,
      tree,
    ]);
    assert.equal(printed(), "text\n0\nfile\n");
    const key1 = await opOf(execBody("x", { mounts: [root, bind] })).contentKey!(
      [busybox, tree],
      [key("base"), undefined],
      jobContext(),
    );
    assert.ok(key1);
  });
});
