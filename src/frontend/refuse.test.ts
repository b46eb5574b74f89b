import assert from "node:assert/strict";
import { test } from "node:test";
import { build, digest, refusal } from "./testing/build.ts";

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
    ["COPY --chmod=u+y a b", /invalid syntax/],
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

test("check=error=true makes warnings errors, skipped ones left out", async () => {
  const error = await refusal(["# check=error=true", "FROM scratch AS Odd"]);
  assert.equal(error.message, "lint violation found for rules: StageNameCasing");
  assert.equal(error.details.source?.ranges[0]?.start.line, 2);
  await build(["# check=skip=StageNameCasing;error=true", "FROM scratch AS Odd"]);
});
