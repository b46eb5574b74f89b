import { createRequire } from "node:module";
import { BuildError } from "../core/index.ts";

type Koffi = typeof import("koffi");
type Library = ReturnType<Koffi["load"]>;

let loaded: { koffi: Koffi; libc: Library } | undefined;
let lastErrno: () => number = () => 0;

/**
 * The C library, through koffi. Loaded at the first call (7 to 10 ms), because a rebuild that finds everything in
 * the cache must not pay for it.
 */
export function libc(): { koffi: Koffi; libc: Library } {
  if (loaded === undefined) {
    if (process.platform !== "linux")
      throw new BuildError("failed-precondition", `this operation needs Linux; this is ${process.platform}`);
    const koffi = createRequire(import.meta.url)("koffi") as Koffi;
    loaded = { koffi, libc: koffi.load(null) };
    lastErrno = koffi.errno;
  }
  return loaded;
}

/**
 * Result of a call that changes nothing when it fails, or its errno as a negative number, as the kernel has it.
 *
 * Between the call and the reading of errno JavaScript runs, and what the engine does meanwhile (compiling, getting memory)
 * may set errno too; seen about once in a hundred builds. So an errno that is not `expected` counts when it comes twice.
 */
export function resultOrErrno(call: () => number, expected: readonly number[]): number {
  for (let before = 0; ; ) {
    const result = call();
    if (result >= 0) return result;
    const number = lastErrno();
    if (expected.includes(number) || number === before) return -number;
    before = number;
  }
}

/** Node's kind of system error, for the errno of the call that just failed or a given one. */
export function systemError(call: string, path?: string, given?: number): Error {
  const { koffi } = libc();
  const number = given ?? koffi.errno();
  const name = Object.entries(koffi.os.errno).find(([, value]) => value === number)?.[0] ?? `errno ${number}`;
  return Object.assign(new Error(`${name}: ${call}${path === undefined ? "" : ` '${path}'`}`), {
    code: name,
    errno: -number,
    syscall: call,
    ...(path === undefined ? {} : { path }),
  });
}
