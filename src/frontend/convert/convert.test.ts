import assert from "node:assert/strict";
import { test } from "node:test";
import type { FileOp } from "../../llb/index.ts";
import { allCapabilities } from "../capabilities.ts";
import { attrs, build, find } from "../testing/build.ts";

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
