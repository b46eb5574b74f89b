import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { digestOfFields, hexOf } from "../core/index.ts";
import type { OciHook } from "./oci-config.ts";
import type { Runtime } from "./runtime.ts";
import type { SeccompProfile } from "./seccomp.ts";

/** How a profile reaches the runtime, in the terms of its configuration. */
export interface SeccompSetting {
  readonly seccomp: SeccompProfile | undefined;
  readonly annotations: Readonly<Record<string, string>>;
  readonly hooks?: Readonly<Record<string, readonly OciHook[]>>;
  /** Called when the step is over. */
  finish(): void;
}

/**
 * Hands out `profile`. To compile it takes crun 15 ms, so the program that crun compiled for the first step is kept
 * in `directory` and given to it from then on through an annotation.
 */
export function seccompCache(
  runtime: Runtime,
  profile: SeccompProfile,
  directory: string,
  sh: string,
): (step: { stepDir: string; runtimeState: string }) => SeccompSetting {
  const plain: SeccompSetting = { seccomp: profile, annotations: {}, finish() {} };
  if (runtime.kind !== "crun") return () => plain;
  const key = hexOf(
    digestOfFields("seccomp-program", runtime.path, runtime.version, JSON.stringify(profile)),
  );
  const file = join(directory, `seccomp-${key.slice(0, 32)}.bpf`);
  let program = readProgram(file);
  let attempted = false;
  return ({ stepDir, runtimeState }) => {
    if (program !== undefined) return compiled(profile, program);
    if (attempted) return plain;
    attempted = true;
    const copy = join(stepDir, "seccomp.bpf");
    return {
      ...plain,
      hooks: { poststart: [copyHook(sh, join(runtimeState, "seccomp.bpf"), copy)] },
      finish() {
        if (readProgram(copy) === undefined) return;
        renameSync(copy, file);
        program = readProgram(file);
      },
    };
  };
}

function compiled(profile: SeccompProfile, program: Buffer): SeccompSetting {
  return {
    // crun wants a profile beside the program, and does not look at its rules.
    seccomp: { ...profile, syscalls: [] },
    annotations: { "run.oci.seccomp_bpf_data": program.toString("base64") },
    finish() {},
  };
}

/** A program is a sequence of instructions of 8 bytes. */
function readProgram(file: string): Buffer | undefined {
  try {
    const program = readFileSync(file);
    return program.length > 0 && program.length % 8 === 0 ? program : undefined;
  } catch {
    return undefined;
  }
}

/** Never fails: a runtime that keeps its program elsewhere just compiles it each time. */
function copyHook(sh: string, from: string, to: string): OciHook {
  return { path: sh, args: ["sh", "-c", 'cp "$1" "$2.tmp" && mv "$2.tmp" "$2" || :', "sh", from, to] };
}
