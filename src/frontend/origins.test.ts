import assert from "node:assert/strict";
import { test } from "node:test";
import { BuildError } from "../core/index.ts";
import { parseImageConfig } from "./image.ts";
import { dockerfileToLlb, type NamedContext } from "./index.ts";
import { amd64, attrs, baseConfig, build, digest, find, names } from "./testing/build.ts";

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
  assert.ok(!names(result).includes("[internal] load build context"));
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
