import assert from "node:assert/strict";
import { test } from "node:test";
import { makesIndex } from "./targets.ts";

const amd64 = { os: "linux", architecture: "amd64" };
const arm64 = { os: "linux", architecture: "arm64" };

test("an index is made for several platforms, or when BUILDKIT_MULTI_PLATFORM asks for it", () => {
  const asked = (value: string, platforms = [amd64]) =>
    makesIndex({ context: ".", platforms, buildArgs: { BUILDKIT_MULTI_PLATFORM: value } });
  assert.equal(makesIndex({ context: "." }), false);
  assert.equal(makesIndex({ context: ".", platforms: [amd64, arm64] }), true);
  assert.equal(asked("true"), true);
  assert.equal(asked("0"), false);
  assert.equal(asked("", [amd64, arm64]), true);
  assert.throws(() => asked("perhaps"), { message: "invalid boolean value for multi-platform: perhaps" });
  assert.throws(() => asked("false", [amd64, arm64]), {
    message: "conflicting config: returning multiple target platforms is not allowed",
  });
});
