import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultCapabilities } from "./privileges.ts";
import { defaultSeccomp, type SeccompProfile } from "./seccomp.ts";

function rulesOf(profile: SeccompProfile, name: string): SeccompProfile["syscalls"] {
  return profile.syscalls.filter((rule) => rule.names.includes(name));
}

test("what is allowed depends on the capabilities", () => {
  const usual = defaultSeccomp(defaultCapabilities, { processor: "x64" });
  assert.equal(rulesOf(usual, "mount").length, 0);
  assert.equal(rulesOf(usual, "unshare").length, 0);
  assert.equal(rulesOf(usual, "chroot").length, 1, "CAP_SYS_CHROOT is one of the default ones");
  const admin = defaultSeccomp(["CAP_SYS_ADMIN"], { processor: "x64" });
  assert.equal(rulesOf(admin, "mount").length, 1);
  assert.equal(rulesOf(admin, "clone3")[0]?.action, "SCMP_ACT_ALLOW");
  assert.equal(rulesOf(admin, "chroot").length, 0);
});

test("clone makes no namespaces and clone3 says that it does not exist", () => {
  const profile = defaultSeccomp(defaultCapabilities, { processor: "x64" });
  assert.deepEqual(rulesOf(profile, "clone"), [
    {
      names: ["clone"],
      action: "SCMP_ACT_ALLOW",
      args: [{ index: 0, value: 2114060288, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }],
    },
  ]);
  assert.deepEqual(rulesOf(profile, "clone3"), [
    { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38 },
  ]);
  assert.equal(rulesOf(defaultSeccomp([], { processor: "s390x" }), "clone")[0]?.args?.[0]?.index, 1);
});

test("each processor has its own calls and names of architectures", () => {
  const x64 = defaultSeccomp([], { processor: "x64" });
  const arm64 = defaultSeccomp([], { processor: "arm64" });
  assert.deepEqual(x64.architectures, ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
  assert.equal(rulesOf(x64, "arch_prctl").length, 1);
  assert.equal(rulesOf(arm64, "arch_prctl").length, 0);
  assert.deepEqual(arm64.architectures, ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]);
  assert.equal(rulesOf(arm64, "set_tls").length, 1);
});

test("no call has an unconditional and a conditional rule, which would contradict each other", () => {
  for (const guardDevices of [false, true]) {
    const { syscalls } = defaultSeccomp(defaultCapabilities, { processor: "x64", guardDevices });
    const plain = new Set(syscalls.filter((rule) => rule.args === undefined).flatMap((rule) => rule.names));
    const conditional = syscalls.filter((rule) => rule.args !== undefined).flatMap((rule) => rule.names);
    assert.deepEqual(
      conditional.filter((name) => plain.has(name)),
      [],
    );
    assert.equal(conditional.includes("mknodat"), guardDevices);
  }
});
