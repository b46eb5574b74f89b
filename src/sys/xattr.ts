import { libc, resultOrErrno, systemError } from "./libc.ts";

type Path = string | Buffer;

interface Calls {
  readonly list: (path: Path, names: Buffer | null, size: number) => number;
  readonly get: (path: Path, name: string, value: Buffer | null, size: number) => number;
  readonly set: (path: Path, name: string, value: Uint8Array, size: number, flags: number) => number;
}

/** The kernel's limits: 64 KiB for the list of names, as much for a value. */
const limit = 65536;

let loaded: Calls | undefined;
let scratch: Buffer | undefined;

function calls(): Calls {
  if (loaded === undefined) {
    const c = libc().libc;
    loaded = {
      list: c.func("int64_t llistxattr(const char*, _Out_ void*, size_t)") as Calls["list"],
      get: c.func("int64_t lgetxattr(const char*, const char*, _Out_ void*, size_t)") as Calls["get"],
      set: c.func("int lsetxattr(const char*, const char*, const void*, size_t, int)") as Calls["set"],
    };
  }
  return loaded;
}

/** Names of the extended attributes of a file, not following a symlink; none where they are not supported. */
export function listXattrs(path: Path): string[] {
  scratch ??= Buffer.allocUnsafeSlow(limit);
  const [names, file, { list }] = [scratch, terminated(path), calls()];
  const size = resultOrErrno(() => list(file, names, limit), nothingThere);
  if (size < 0) return absent("llistxattr", path, -size, []);
  if (size === 0) return [];
  return scratch.toString("latin1", 0, size - 1).split("\0");
}

/** Value of an extended attribute, not following a symlink; `undefined` when there is none. */
export function getXattr(path: Path, name: string): Buffer | undefined {
  scratch ??= Buffer.allocUnsafeSlow(limit);
  const [value, file, { get }] = [scratch, terminated(path), calls()];
  const size = resultOrErrno(() => get(file, name, value, limit), nothingThere);
  if (size < 0) return absent("lgetxattr", path, -size, undefined);
  return Buffer.from(scratch.subarray(0, size));
}

/** Sets an extended attribute, not following a symlink. */
export function setXattr(path: Path, name: string, value: Uint8Array): void {
  if (calls().set(terminated(path), name, value, value.length, 0) < 0)
    throw systemError("lsetxattr", text(path));
}

/** ENODATA and EOPNOTSUPP of Linux. */
const nothingThere = [61, 95];

function absent<T>(call: string, path: Path, errno: number, nothing: T): T {
  if (nothingThere.includes(errno)) return nothing;
  throw systemError(call, text(path), errno);
}

/** C wants a zero byte at the end, which a Buffer does not have. */
export function terminated(path: Path): Path {
  return typeof path === "string" ? path : Buffer.concat([path, Buffer.of(0)]);
}

function text(path: Path): string {
  return path.toString();
}
