import assert from "node:assert/strict";
import { test } from "node:test";
import { formatPlatform, hostPlatform, parsePlatform, parsePlatforms, platformMatches } from "./platform.ts";

test("platforms are normalised as containerd does", () => {
  const expected = {
    "linux/x86_64": "linux/amd64",
    "linux/amd64/v1": "linux/amd64",
    "linux/amd64/v3": "linux/amd64/v3",
    "Linux/AArch64": "linux/arm64",
    "linux/arm64/v8": "linux/arm64",
    "linux/arm64/8": "linux/arm64",
    "linux/arm64/v9": "linux/arm64/v9",
    "linux/arm": "linux/arm/v7",
    "linux/arm/6": "linux/arm/v6",
    "linux/armhf": "linux/arm/v7",
    "linux/armel": "linux/arm/v6",
    "linux/i386": "linux/386",
    arm64: "linux/arm64",
    s390x: "linux/s390x",
    "windows/amd64": "windows/amd64",
    linux: formatPlatform(hostPlatform()),
  };
  for (const [text, platform] of Object.entries(expected))
    assert.equal(formatPlatform(parsePlatform(text)), platform, text);
});

test("several stand with commas between them, each counts once", () => {
  const names = (text: string) => parsePlatforms(text).map(formatPlatform);
  assert.deepEqual(names("linux/arm64, linux/amd64,linux/aarch64"), ["linux/arm64", "linux/amd64"]);
  assert.deepEqual(names("local"), [formatPlatform(hostPlatform())]);
  for (const wrong of ["", "linux/amd64,", "linux/amd64/v1/x", "a b", "amd46", "ubuntu"])
    assert.throws(() => parsePlatforms(wrong), { code: "invalid-argument" }, wrong);
});

test("an image matches what it is, in whatever spelling", () => {
  const arm = { os: "linux", architecture: "arm" };
  assert.ok(platformMatches({ ...arm, variant: "v7" }, arm));
  assert.ok(!platformMatches({ ...arm, variant: "v6" }, arm));
  assert.ok(platformMatches({ os: "linux", architecture: "arm64", variant: "v8" }, parsePlatform("arm64")));
  assert.ok(!platformMatches({ os: "windows", architecture: "amd64" }, parsePlatform("linux/amd64")));
});
