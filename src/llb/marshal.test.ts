import assert from "node:assert/strict";
import { test } from "node:test";
import { BuildError, type Digest, digestOf } from "../core/index.ts";
import {
  decodeDefinition,
  decodeOp,
  edgeOf,
  encodeDefinition,
  encodeOp,
  execVertex,
  fileVertex,
  imageSource,
  localSource,
  marshalDefinition,
  mergeEdges,
  type Op,
  parseOwner,
} from "./index.ts";

const zero: Digest = `sha256:${"0".repeat(64)}`;
const amd64 = { os: "linux", architecture: "amd64" };

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function text(value: string): string {
  return Buffer.from(value).toString("hex");
}

test("the terminal op is one input", () => {
  // field 1, length 73: { field 1, length 71: digest }; output 0 is left out.
  assert.equal(hex(encodeOp({ inputs: [{ digest: zero, index: 0 }] })), `0a490a47${text(zero)}`);
  assert.equal(hex(encodeOp({ inputs: [{ digest: zero, index: 3 }] })), `0a4b0a47${text(zero)}1003`);
});

test("a source: platform and constraints stand before the oneof, map keys are sorted", () => {
  const op: Op = {
    inputs: [],
    body: { kind: "source", identifier: "local://c", attrs: { b: "2", a: "", é: "x" } },
    platform: amd64,
    constraints: { filter: [] },
  };
  const expected = [
    `520e0a05${text("amd64")}1205${text("linux")}`,
    "5a00",
    `1a23`,
    `0a09${text("local://c")}`,
    `12050a01611200`,
    `12060a0162120132`,
    `12070a02c3a9120178`,
  ].join("");
  assert.equal(hex(encodeOp(op)), expected);
});

test("negative numbers take ten bytes, ids in a oneof are written even when 0", () => {
  const edge = fileVertex(
    undefined,
    [
      {
        action: {
          kind: "mkdir",
          path: "/a",
          mode: 0o755,
          makeParents: true,
          owner: { user: { id: 0 } },
          timestamp: -1n,
        },
      },
    ],
    {},
  );
  const minusOne = "ffffffffffffffffff01";
  const mkdir = `0a02${text("/a")}10ed03180122040a02100028${minusOne}`;
  const action = `08${minusOne}10${minusOne}32${byte(mkdir)}${mkdir}`;
  const file = `12${byte(action)}${action}`;
  assert.equal(hex(edge.vertex.bytes), `5a0022${byte(file)}${file}`);
});

function byte(content: string): string {
  return (content.length / 2).toString(16).padStart(2, "0");
}

test("lengths beyond one byte, at any nesting", () => {
  for (const size of [127, 128, 16_383, 16_384, 300_000]) {
    const op: Op = {
      inputs: [],
      body: {
        kind: "file",
        actions: [
          {
            input: -1,
            secondaryInput: -1,
            output: 0,
            action: {
              kind: "mkfile",
              path: "/f",
              mode: 0o644,
              data: new Uint8Array(size).fill(7),
              timestamp: -1n,
            },
          },
        ],
      },
    };
    assert.deepEqual(decodeOp(encodeOp(op)), op);
  }
});

function sampleGraph() {
  const image = {
    vertex: imageSource(`docker.io/library/busybox:latest@${zero}`, "local", {
      platform: amd64,
      name: "[1/3] FROM x",
    }),
    index: 0,
  };
  const context = {
    vertex: localSource(
      "context",
      { session: "s", sharedKeyHint: "context", followPaths: ["a<b"], excludePatterns: ["*.md"] },
      { name: "[internal] load build context" },
    ),
    index: 0,
  };
  const run = execVertex(
    {
      root: image,
      meta: {
        args: ["/bin/sh", "-c", "true"],
        env: ["PATH=/bin", "Ä=€😀"],
        cwd: "/",
        user: "",
        extraHosts: [{ host: "h", ip: "127.0.0.1" }],
        hostname: "",
        ulimits: [{ name: "nofile", soft: -1, hard: 2 ** 40 }],
        cgroupParent: "",
        proxyEnv: { httpProxy: "http://p", httpsProxy: "", ftpProxy: "", noProxy: "", allProxy: "" },
      },
      network: "host",
      security: "sandbox",
      mounts: [
        { target: "/src", source: context, readonly: true, selector: "/a" },
        { target: "/cache", source: undefined, cache: { id: "/go", sharing: "locked" } },
        { target: "/tmp", source: undefined, tmpfs: { size: 1024 } },
      ],
      secretFiles: [
        { target: "/run/secrets/k", file: { id: "k", uid: 0, gid: 5, mode: 0o400, optional: true } },
      ],
      secretEnv: [{ id: "k", name: "K", optional: false }],
      sshSockets: [],
      devices: [],
    },
    { platform: amd64, name: "[2/3] RUN true", ignoreCache: true },
  );
  const copy = fileVertex(
    run,
    [
      {
        source: context,
        action: {
          kind: "copy",
          src: "/a",
          dest: "/b/",
          mode: -1,
          owner: parseOwner("me:0"),
          followSymlink: true,
          dirCopyContents: true,
          attemptUnpack: false,
          createDestPath: true,
          allowWildcard: true,
          allowEmptyWildcard: true,
          timestamp: 1_700_000_000_000_000_000n,
          includePatterns: [],
          excludePatterns: ["x"],
          alwaysReplaceExistingDestPaths: false,
          modeStr: "",
          requiredPaths: [],
        },
      },
    ],
    {
      name: "[3/3] COPY a b/",
      sources: [
        {
          file: { filename: "Dockerfile", data: Buffer.from("FROM x"), language: "Dockerfile" },
          ranges: [{ start: { line: 1, column: 0 }, end: { line: 1, column: 6 } }],
        },
      ],
    },
  );
  return { image, context, run, copy };
}

test("mounts are sorted, the root's output is counted among the writable ones", () => {
  const { run, image } = sampleGraph();
  const { op } = run.vertex;
  assert.ok(op.body?.kind === "exec");
  assert.deepEqual(
    op.body.mounts.map((mount) => [mount.dest, mount.input, mount.output, mount.type]),
    [
      ["/", 0, 0, "bind"],
      ["/cache", -1, -1, "cache"],
      ["/src", 1, -1, "bind"],
      ["/tmp", -1, -1, "tmpfs"],
      ["/run/secrets/k", -1, 0, "secret"],
    ],
  );
  assert.equal(run.index, 0);
  assert.equal(run.vertex.inputs[0]?.vertex, image.vertex);
});

test("a definition survives the round trip", () => {
  const { copy } = sampleGraph();
  const definition = marshalDefinition(copy);
  assert.equal(definition.def.length, 5);
  const bytes = encodeDefinition(definition);
  const decoded = decodeDefinition(bytes);
  assert.equal(hex(encodeDefinition(decoded)), hex(bytes));
  const edge = edgeOf(decoded)!;
  assert.equal(edge.vertex.digest, copy.vertex.digest);
  assert.equal(edge.vertex.metadata.name, "[3/3] COPY a b/");
  assert.deepEqual(edge.vertex.op, copy.vertex.op);
  assert.equal(edge.vertex.inputs[0]?.vertex.metadata.ignoreCache, true);
  assert.deepEqual(edge.vertex.metadata.sources[0]?.ranges, copy.vertex.metadata.sources[0]?.ranges);
  for (const vertex of [copy.vertex, ...copy.vertex.inputs.map((input) => input.vertex)])
    assert.equal(hex(encodeOp(decodeOp(vertex.bytes))), hex(vertex.bytes));
});

test("scratch is the empty definition", () => {
  assert.deepEqual(marshalDefinition(undefined).def, []);
  assert.equal(edgeOf(decodeDefinition(new Uint8Array())), undefined);
});

test("merging drops empty filesystems", () => {
  const { image, run } = sampleGraph();
  assert.equal(mergeEdges([undefined, image], {}), image);
  assert.equal(mergeEdges([], {}), undefined);
  assert.deepEqual(mergeEdges([image, undefined, run], {})?.vertex.op.body, {
    kind: "merge",
    inputs: [0, 1],
  });
});

test("owners as --chown has them", () => {
  assert.deepEqual(parseOwner("root:1000"), { user: { id: 0 }, group: { id: 1000 } });
  assert.deepEqual(parseOwner("www-data"), { user: { name: "www-data" } });
  assert.deepEqual(parseOwner(":grp"), { user: { id: 0 }, group: { name: "grp" } });
  assert.deepEqual(parseOwner("4294967296"), { user: { name: "4294967296" } });
});

test("hostile definitions are refused", () => {
  const good = encodeDefinition(marshalDefinition(sampleGraph().copy));
  for (const [what, bytes] of [
    ["length beyond the end", [0x0a, 0x05, 0x01]],
    ["huge length", [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]],
    ["endless varint", new Array(20).fill(0xff)],
    ["field number 0", [0x02, 0x00]],
    ["group", [0x0b]],
    ["op with a wrong type", [0x0a, 0x02, 0x18, 0x01]],
  ] as const)
    assert.throws(
      () => edgeOf(decodeDefinition(Uint8Array.from(bytes))),
      (error) => error instanceof BuildError && error.code === "invalid-argument",
      what,
    );
  for (let cut = 1; cut < good.length; cut += 7) {
    try {
      edgeOf(decodeDefinition(good.subarray(0, cut)));
    } catch (error) {
      assert.ok(error instanceof BuildError, `cut at ${cut}: ${error}`);
    }
  }
});

test("every changed byte is either refused cleanly or gives another definition", () => {
  const good = encodeDefinition(marshalDefinition(sampleGraph().copy));
  for (let i = 0; i < good.length; i++) {
    const bad = Uint8Array.from(good);
    bad[i] = bad[i]! ^ 0x5a;
    try {
      edgeOf(decodeDefinition(bad));
    } catch (error) {
      assert.ok(error instanceof BuildError, `byte ${i}: ${error}`);
    }
  }
});

test("inputs that are missing or out of range are named", () => {
  const { copy, run } = sampleGraph();
  const { def, metadata } = marshalDefinition(copy);
  const without = { def: def.filter((bytes) => digestOf(bytes) !== run.vertex.digest), metadata };
  assert.throws(() => edgeOf(without), /is missing/);
  const merge = encodeOp({ inputs: [], body: { kind: "merge", inputs: [0] } });
  assert.throws(() => decodeOp(merge), /input 0 of a merge op with 0 inputs/);
});

test("a deep graph needs no stack", () => {
  let edge = sampleGraph().image;
  for (let i = 0; i < 20_000; i++)
    edge = fileVertex(
      edge,
      [{ action: { kind: "mkdir", path: `/${i}`, mode: 0o755, makeParents: true, timestamp: -1n } }],
      {},
    );
  const decoded = edgeOf(decodeDefinition(encodeDefinition(marshalDefinition(edge))));
  assert.equal(decoded?.vertex.digest, edge.vertex.digest);
});
