import { createRequire } from "node:module";
import { BuildError } from "../core/index.ts";

type Koffi = typeof import("koffi");
type Library = ReturnType<Koffi["load"]>;

let loaded: { koffi: Koffi; libc: Library } | undefined;

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
  }
  return loaded;
}

/** Throws Node's kind of system error for the errno of the call that just failed. */
export function systemError(call: string, path?: string): Error {
  const { koffi } = libc();
  const number = koffi.errno();
  const name = Object.entries(koffi.os.errno).find(([, value]) => value === number)?.[0] ?? `errno ${number}`;
  return Object.assign(new Error(`${name}: ${call}${path === undefined ? "" : ` '${path}'`}`), {
    code: name,
    errno: -number,
    syscall: call,
    ...(path === undefined ? {} : { path }),
  });
}
