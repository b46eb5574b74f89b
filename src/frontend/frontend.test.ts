import assert from "node:assert/strict";
import { test } from "node:test";
import type { FileOp } from "../llb/index.ts";
import { planDockerfile } from "./index.ts";
import { build, find, vertices } from "./testing/build.ts";

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

test("--no-cache of one stage leaves the others alone", async () => {
  const result = await build(["FROM alpine AS a", "RUN one", "FROM a", "RUN two"], { noCache: ["A"] });
  assert.equal(find(result, "RUN one").metadata.ignoreCache, true);
  assert.equal(find(result, "RUN two").metadata.ignoreCache, false);
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
