import assert from "node:assert/strict";
import { test } from "node:test";
import { BuildError, type Digest } from "../core/index.ts";
import { type FileOp, inOrder, type LlbVertex } from "../llb/index.ts";
import { parseImageConfig } from "./image.ts";
import {
  allCapabilities,
  dockerfileToLlb,
  type FrontendOptions,
  type FrontendResult,
  type NamedContext,
  planDockerfile,
} from "./index.ts";

const digest: Digest = `sha256:${"1".repeat(64)}`;
const amd64 = { os: "linux", architecture: "amd64" };

interface Built extends FrontendResult {
  /** References that were looked up, with their platforms. */
  readonly asked: readonly string[];
}

async function build(
  lines: string | readonly string[],
  options: Partial<FrontendOptions> = {},
  config: (ref: string) => object = () => ({}),
): Promise<Built> {
  const asked: string[] = [];
  const result = await dockerfileToLlb(
    typeof lines === "string" ? lines : `${lines.join("\n")}\n`,
    { file: "Dockerfile", buildPlatform: amd64, sessionId: "session", ...options },
    {
      resolveImage: async (ref, { platform }) => {
        asked.push(`${ref} ${platform.os}/${platform.architecture}`);
        return { ref, digest, config: Buffer.from(JSON.stringify(baseConfig(platform, config(ref)))) };
      },
    },
  );
  return { ...result, asked };
}

function baseConfig(platform: { os: string; architecture: string }, config: object): object {
  return {
    ...platform,
    created: "2024-01-01T00:00:00Z",
    config: { Env: ["PATH=/bin"], ...config },
    rootfs: { type: "layers", diff_ids: [digest] },
    history: [{ created_by: "base" }],
  };
}

function vertices(result: FrontendResult): LlbVertex[] {
  return result.edge === undefined ? [] : inOrder(result.edge.vertex);
}

function names(result: FrontendResult): string[] {
  return vertices(result).map((vertex) => vertex.metadata.name);
}

function find(result: FrontendResult, text: string): LlbVertex {
  const found = vertices(result).find((vertex) => vertex.metadata.name.includes(text));
  assert.ok(found, `no vertex ${text} in ${names(result).join(", ")}`);
  return found;
}

function attrs(vertex: LlbVertex): Readonly<Record<string, string>> {
  assert.ok(vertex.op.body?.kind === "source");
  return vertex.op.body.attrs;
}

async function refusal(
  lines: readonly string[],
  options: Partial<FrontendOptions> = {},
): Promise<BuildError> {
  const error = await build(lines, options).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof BuildError, `accepted: ${lines.join(" / ")}`);
  return error;
}

test("only what the target needs is looked up and converted", async () => {
  const result = await build([
    "FROM alpine AS one",
    "FROM debian AS two",
    "RUN exit 1",
    "FROM scratch",
    "COPY --from=one /a /b",
    "COPY --from=busybox /c /d",
  ]);
  assert.deepEqual(result.asked, [
    "docker.io/library/alpine:latest linux/amd64",
    "docker.io/library/busybox:latest linux/amd64",
  ]);
  assert.deepEqual(
    result.stages.map(({ label, needed, edge }) => [label, needed, edge !== undefined]),
    [
      ["one", true, true],
      ["two", false, false],
      ["2", true, true],
    ],
  );
  assert.match(result.stages[1]!.reason, /not needed/);
  assert.ok(names(result).includes(`FROM docker.io/library/busybox:latest@${digest}`));
  assert.equal(result.usesContext, false);
});

test("an empty build is scratch", async () => {
  const result = await build(["FROM scratch", 'CMD ["/x"]']);
  assert.equal(result.edge, undefined);
  assert.deepEqual(result.historyVertices, [undefined]);
  assert.deepEqual(result.config.config.Cmd, ["/x"]);
});

test("history entries know the vertex of their layer", async () => {
  const result = await build(["FROM alpine", "ENV A=1", "RUN true", "WORKDIR /w"]);
  assert.deepEqual(
    result.historyVertices.map((vertex) => vertices(result).find((v) => v.digest === vertex)?.metadata.name),
    [undefined, undefined, "[2/3] RUN true", "[3/3] WORKDIR /w"],
  );
});

test("what the solver cannot do is refused by name, with its line", async () => {
  for (const [line, name] of [
    ["RUN --mount=type=secret,id=x true", "RUN --mount=type=secret"],
    ["RUN --mount=type=secret,id=x,env=X true", "RUN --mount=type=secret"],
    ["RUN --mount=type=ssh true", "RUN --mount=type=ssh"],
    ["RUN --security=insecure true", "RUN --security=insecure"],
    ["RUN --device=vendor.com/gpu,required true", 'required device "vendor.com/gpu" is not registered'],
    ["COPY --link a b", "COPY --link"],
    ["COPY --parents a b", "COPY --parents"],
    ["COPY --exclude=*.md a b", "COPY --exclude"],
    ["RUN --mount=type=cache,target=/c true", "RUN --mount=type=cache"],
    ["ADD --exclude=*.md a b", "ADD --exclude"],
  ] as const) {
    const error = await refusal(["FROM alpine", "ENV A=1", line], { capabilities: new Set() });
    assert.equal(error.code, "unimplemented", `${line}: ${error.message}`);
    assert.ok(error.message.startsWith(name), error.message);
    assert.equal(error.details.source?.ranges[0]?.start.line, 3, line);
  }
});

test("a frontend other than Dockerfile's own is refused by name", async () => {
  const error = await refusal(["# syntax=example.com/other:1", "FROM scratch"]);
  assert.equal(error.code, "unimplemented");
  assert.match(error.message, /example\.com\/other:1/);
  for (const own of [
    "docker/dockerfile:1",
    "docker.io/docker/dockerfile:1.7-labs",
    `docker/dockerfile@${digest}`,
  ])
    await build([`# syntax=${own}`, "FROM scratch"]);
});

test("BUILDKIT_SYNTAX counts more than the syntax line", async () => {
  const foreign = ["# syntax=example.com/other:1", "FROM scratch"];
  for (const own of ["dockerfile.v0", "docker/dockerfile:1", " docker/dockerfile:1 cmdline"])
    await build(foreign, { buildArgs: { BUILDKIT_SYNTAX: own } });
  await assert.rejects(build(["FROM scratch"], { buildArgs: { BUILDKIT_SYNTAX: "example.com/other:1" } }), {
    code: "unimplemented",
    message: "frontend example.com/other:1 is not supported",
  });
});

test("BUILDKIT_ arguments that nothing declares steer the build", async () => {
  const result = await build(["FROM alpine", "RUN --mount=type=cache,id=c,target=/c true"], {
    buildArgs: { BUILDKIT_SANDBOX_HOSTNAME: "box", BUILDKIT_CACHE_MOUNT_NS: "mine" },
  });
  const run = find(result, "RUN --mount=type=cache,id=c,target=/c true");
  assert.ok(run.op.body?.kind === "exec");
  assert.equal(run.op.body.meta.hostname, "box");
  assert.deepEqual(
    run.op.body.mounts.flatMap(({ cache }) => (cache === undefined ? [] : [cache.id])),
    ["mine/c"],
  );
  for (const [value, count] of [
    ["1", 1],
    ["0", 0],
  ] as const) {
    const { warnings } = await build(["FROM scratch"], { buildArgs: { BUILDKIT_INLINE_CACHE: value } });
    assert.equal(warnings.length, count);
  }
});

test("mistakes are named with their line", async () => {
  for (const [line, pattern] of [
    ["COPY https://example.com/a b", /use ADD|URL for COPY/],
    ["ADD --checksum=sha256:00 a b", /checksum requires/],
    ["ADD --checksum=sha256:00 https://example.com/a b", /invalid checksum digest length/],
    ["ADD --checksum=md5:00 https://example.com/a b", /unsupported digest algorithm/],
    ["ADD --checksum=main https://example.com/a.git b", /invalid checksum main for Git URL/],
    ["ADD --keep-git-dir=false https://example.com/a.git?keep-git-dir b", /inconsistent keep-git-dir/],
    ["COPY git@example.com:a/b.git b", /git ref for COPY/],
    ["COPY --chmod=888 a b", /invalid chmod parameter: '888'/],
    ["COPY --chmod=77777 a b", /between 0 and 07777/],
    ["COPY --chmod=u+y a b", /invalid chmod parameter/],
    ["EXPOSE 80/icmp", /invalid proto: icmp/],
    ["EXPOSE 99999", /invalid containerPort: 99999/],
    ["EXPOSE 1.2.3:80:80", /invalid IP address/],
    ["STOPSIGNAL SIGNOPE", /invalid signal: SIGNOPE/],
    ['VOLUME [""]', /empty string/],
    ["RUN --mount=type=tmpfs,target=/ true", /invalid mount target/],
  ] as const) {
    const error = await refusal(["FROM alpine", line]);
    assert.equal(error.code, "invalid-argument", line);
    assert.match(error.message, pattern);
    assert.equal(error.details.source?.ranges[0]?.start.line, 2, line);
  }
});

test("a file of endless instructions is refused at once", async () => {
  const error = await refusal(["FROM scratch", ...Array.from({ length: 5000 }, (_, i) => `ENV A${i}=1`)]);
  assert.equal(error.code, "resource-exhausted");
});

test("a failing look-up points at the FROM or --from", async () => {
  const bridge = {
    resolveImage: () => Promise.reject(new BuildError("not-found", "no such image")),
  };
  const options = { file: "Dockerfile" };
  await assert.rejects(
    dockerfileToLlb("FROM scratch\nCOPY --from=ghost /a /b\n", options, bridge),
    (error) => error instanceof BuildError && error.details.source?.ranges[0]?.start.line === 2,
  );
});

test("a mistyped stage is suggested where no image has the name", async () => {
  const bridge = {
    resolveImage: () => Promise.reject(new BuildError("unavailable", "no registry")),
  };
  const hints = {
    "COPY --from=biuld /a /b": "no stage is called biuld; did you mean build?",
    "COPY --from=assets /a /b": "no stage is called assets; the stages are build",
    "RUN --mount=from=assets,target=/a true": "no stage is called assets; the stages are build",
    "COPY --from=team/assets /a /b": undefined,
  };
  for (const [line, hint] of Object.entries(hints))
    await assert.rejects(
      dockerfileToLlb(`FROM scratch AS build\nFROM scratch\n${line}\n`, { file: "Dockerfile" }, bridge),
      (error) => error instanceof BuildError && error.hint === hint,
      line,
    );
});

test("check=error=true makes warnings errors, skipped ones left out", async () => {
  const error = await refusal(["# check=error=true", "FROM scratch AS Odd"]);
  assert.equal(error.message, "lint violation found for rules: StageNameCasing");
  assert.equal(error.details.source?.ranges[0]?.start.line, 2);
  await build(["# check=skip=StageNameCasing;error=true", "FROM scratch AS Odd"]);
});

test("COPY --link is a merge", async () => {
  const result = await build(["FROM alpine", "COPY --link --chown=7 a /b/", "RUN true"]);
  const merge = find(result, "[2/3] LINK COPY");
  assert.deepEqual(merge.op.body, { kind: "merge", inputs: [0, 1] });
  assert.equal(merge.inputs[1]?.vertex.metadata.name, "[2/3] COPY --link --chown=7 a /b/");
  assert.equal(find(result, "RUN true").metadata.name, "[3/3] RUN true");
});

test("COPY --parents keeps the directories after the pivot, --exclude its patterns", async () => {
  const result = await build(["FROM scratch", "COPY --parents --exclude=*.md src/./deep/*.ts /b/"]);
  const { actions } = find(result, "COPY").op.body as FileOp;
  assert.ok(actions[0]?.action.kind === "copy");
  assert.equal(actions[0].action.src, "/src");
  assert.deepEqual(actions[0].action.includePatterns, ["deep/*.ts"]);
  assert.deepEqual(actions[0].action.excludePatterns, ["*.md"]);
  assert.equal(result.config.history[0]?.created_by, "COPY --parents src/./deep/*.ts /b/ # buildkit");
});

test("named contexts replace images and stages", async () => {
  const namedContexts = new Map<string, NamedContext>([
    ["alpine", { kind: "image", ref: "me/alpine:3" }],
    ["tools", { kind: "local", name: "tools", excludePatterns: ["*.tmp"] }],
    ["files", { kind: "local", name: "files", excludePatterns: [] }],
  ]);
  const result = await build(
    [
      "FROM debian AS tools",
      "RUN exit 1",
      "FROM alpine",
      "COPY --from=tools /bin/x /",
      "COPY --from=files /a /b /c/",
    ],
    { namedContexts },
  );
  assert.deepEqual(result.asked, ["docker.io/me/alpine:3 linux/amd64"]);
  assert.deepEqual(names(result), [
    `[context alpine] docker.io/me/alpine:3@${digest}`,
    "[context tools] load from client",
    "[stage-1 1/3] COPY --from=tools /bin/x /",
    "[context files] load from client",
    "[stage-1 2/3] COPY --from=files /a /b /c/",
  ]);
  assert.deepEqual(attrs(find(result, "context files")), {
    "local.session": "session",
    "local.sharedkeyhint": "context:files",
    "local.followpaths": '["a","b"]',
  });
  assert.equal(attrs(find(result, "context tools"))["local.excludepatterns"], '["*.tmp"]');
});

test("the context is asked for what the needed stages use, and no more", async () => {
  const result = await build(
    [
      "FROM scratch AS other",
      "COPY other /",
      "FROM scratch",
      "ARG DIR=src",
      "COPY $DIR/ a/../b /x/",
      "ADD c /",
    ],
    { excludePatterns: ["**/*.md"] },
  );
  assert.deepEqual(attrs(find(result, "load build context")), {
    "local.session": "session",
    "local.sharedkeyhint": "context",
    "local.followpaths": '["b","c","src"]',
    "local.excludepatterns": '["**/*.md"]',
  });
  assert.equal(result.usesContext, true);
});

test("options of the build reach RUN", async () => {
  const result = await build(["FROM alpine", "RUN true"], {
    network: "none",
    hostname: "h",
    shmSize: 64,
    ulimits: [{ name: "nofile", soft: 1, hard: 2 }],
    buildArgs: { HTTPS_PROXY: "http://p", no_proxy: "x" },
    noCache: true,
  });
  const run = find(result, "RUN true");
  assert.ok(run.op.body?.kind === "exec");
  const { meta, network, mounts } = run.op.body;
  assert.equal(network, "none");
  assert.equal(meta.hostname, "h");
  assert.deepEqual(meta.proxyEnv, {
    httpProxy: "",
    httpsProxy: "http://p",
    ftpProxy: "",
    noProxy: "x",
    allProxy: "",
  });
  assert.deepEqual(
    mounts.map((mount) => [mount.dest, mount.type, mount.tmpfs?.size]),
    [
      ["/", "bind", undefined],
      ["/dev/shm", "tmpfs", 64],
    ],
  );
  assert.equal(run.metadata.ignoreCache, true);
  assert.deepEqual(result.warnings, []);
  assert.equal(result.config.history.at(-1)?.created_by, "RUN /bin/sh -c true # buildkit");
});

test("secrets and ssh agents become mounts and variables", async () => {
  const flags =
    "--mount=type=secret,id=key,mode=0440,required --mount=type=secret,id=tok,env=TOKEN --mount=type=ssh";
  const result = await build(["FROM alpine", `RUN ${flags} use $TOKEN`], { capabilities: allCapabilities });
  const run = find(result, "RUN");
  assert.ok(run.op.body?.kind === "exec");
  const { meta, mounts, secretEnv } = run.op.body;
  assert.deepEqual(
    mounts.slice(1).map(({ dest, type, secret, ssh }) => ({ dest, type, ...secret, ...ssh })),
    [
      { dest: "/run/secrets/key", type: "secret", id: "key", uid: 0, gid: 0, mode: 0o440, optional: false },
      { dest: "/run/buildkit/ssh_agent.0", type: "ssh", id: "", uid: 0, gid: 0, mode: 0o600, optional: true },
    ],
  );
  assert.deepEqual(secretEnv, [{ id: "tok", name: "TOKEN", optional: true }]);
  assert.ok(meta.env.includes("SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0"));
  assert.ok(run.metadata.name.endsWith("use ****"), run.metadata.name);
});

test("--no-cache of one stage leaves the others alone", async () => {
  const result = await build(["FROM alpine AS a", "RUN one", "FROM a", "RUN two"], { noCache: ["A"] });
  assert.equal(find(result, "RUN one").metadata.ignoreCache, true);
  assert.equal(find(result, "RUN two").metadata.ignoreCache, false);
});

test("platforms: of the target, of a stage, in names", async () => {
  const result = await build(
    [
      "FROM --platform=$BUILDPLATFORM golang AS build",
      "ARG TARGETARCH",
      "RUN make $TARGETARCH",
      "FROM alpine",
      "COPY --from=build /x /",
    ],
    { platform: { os: "linux", architecture: "arm64" }, multiPlatform: true },
  );
  assert.deepEqual(result.asked, [
    "docker.io/library/golang:latest linux/amd64",
    "docker.io/library/alpine:latest linux/arm64",
  ]);
  assert.equal(find(result, "make").metadata.name, "[linux/amd64->arm64 build 2/2] RUN make arm64");
  assert.equal(find(result, "make").op.platform?.architecture, "amd64");
  assert.equal(result.config.architecture, "arm64");
});

test("a base of another platform gives a warning", async () => {
  const result = await build(["FROM alpine", "RUN true"]);
  assert.deepEqual(result.warnings, []);
  const { warnings } = await dockerfileToLlb(
    "FROM alpine\nRUN true\n",
    { file: "Dockerfile", buildPlatform: amd64 },
    {
      resolveImage: async (ref) => ({
        ref,
        config: Buffer.from(JSON.stringify(baseConfig({ os: "linux", architecture: "arm64" }, {}))),
      }),
    },
  );
  assert.equal(
    warnings[0]?.message,
    'Base image alpine was pulled with platform "linux/arm64", expected "linux/amd64" for current build',
  );
});

test("labels of the build are the target's alone", async () => {
  const result = await build(["FROM alpine AS a", "LABEL x=1", "FROM a", "COPY --from=a /x /"], {
    labels: { y: "2" },
  });
  assert.deepEqual(result.config.config.Labels, { x: "1", y: "2" });
  assert.deepEqual(result.stages[0]?.config?.config.Labels, { x: "1" });
});

test("SOURCE_DATE_EPOCH stamps history and WORKDIR", async () => {
  const result = await build(["FROM alpine", "WORKDIR /w"], { sourceDateEpoch: 1_700_000_000 });
  assert.equal(result.config.history[1]?.created, "2023-11-14T22:13:20Z");
  const { actions } = find(result, "WORKDIR").op.body as FileOp;
  assert.ok(actions[0]?.action.kind === "mkdir");
  assert.equal(actions[0].action.timestamp, 1_700_000_000_000_000_000n);
});

test("build arguments that nothing declares are mentioned", async () => {
  const { warnings } = await build(["FROM alpine", "ARG VERSION", "RUN echo $VERSION"], {
    buildArgs: { VERSOIN: "1", HTTP_PROXY: "x", TARGETARCH: "y", BUILDKIT_INLINE_CACHE: "0" },
  });
  assert.deepEqual(
    warnings.map((warning) => warning.message),
    ["build argument VERSOIN is not used: no ARG declares it; did you mean VERSION?"],
  );
});

test("an image without layers is as good as scratch", async () => {
  const { edge } = await dockerfileToLlb(
    "FROM empty\nLABEL a=b\n",
    { file: "Dockerfile", buildPlatform: amd64 },
    {
      resolveImage: async (ref) => ({
        ref,
        config: Buffer.from(JSON.stringify({ ...amd64, rootfs: { type: "layers", diff_ids: [] } })),
      }),
    },
  );
  assert.equal(edge, undefined);
});

test("ONBUILD triggers of a base may need further stages", async () => {
  const result = await build(["FROM busybox AS tool", "FROM alpine"], {}, (ref) =>
    ref.includes("alpine") ? { OnBuild: ["COPY --from=tool /a /b"] } : {},
  );
  assert.deepEqual(result.asked.map((ref) => ref.split(":")[0]).sort(), [
    "docker.io/library/alpine",
    "docker.io/library/busybox",
  ]);
  assert.ok(names(result).some((name) => name.endsWith("ONBUILD COPY --from=tool /a /b")));
  assert.equal(result.config.config.OnBuild, undefined);
});

test("configurations of images are checked", () => {
  for (const text of [
    "",
    "[]",
    "null",
    '{"config":[]}',
    '{"config":{"Env":"x"}}',
    '{"history":{}}',
    '{"os":1}',
    '{"config":{"Labels":{"a":1}}}',
  ])
    assert.throws(() => parseImageConfig(Buffer.from(text), "image"), BuildError, text);
  const image = parseImageConfig(Buffer.from('{"os":"linux","config":{"Cmd":null,"Extra":1}}'), "image");
  assert.deepEqual(image, {
    architecture: "",
    os: "linux",
    config: {},
    rootfs: { type: "", diff_ids: [] },
    history: [],
  });
});

test("a plan looks nothing up", () => {
  const plan = planDockerfile("FROM alpine AS a\nRUN x\nFROM a AS b\nFROM a\nCOPY --from=busybox /a /b\n", {
    file: "Dockerfile",
    target: "b",
  });
  assert.equal(plan.target, 1);
  assert.deepEqual(
    plan.stages.map(({ name, needed, steps, line }) => [name, needed, steps.length, line]),
    [
      ["a", true, 1, 1],
      ["b", true, 0, 3],
      ["", false, 1, 4],
    ],
  );
  assert.deepEqual(plan.stages[2]?.uses[0]?.source, { kind: "image", name: "busybox" });
});
