import { libc, systemError } from "./libc.ts";
import { terminated } from "./xattr.ts";

type Path = string | Buffer;

const fileTypes = { char: 0o020000, block: 0o060000, fifo: 0o010000 } as const;

let call: ((path: Path, mode: number, device: bigint) => number) | undefined;

/**
 * mknod(2). `mode` is permission bits, reduced by the umask. Devices need CAP_MKNOD, except char 0/0, which is
 * overlayfs's whiteout.
 */
export function makeNode(
  path: Path,
  type: keyof typeof fileTypes,
  mode: number,
  devMajor = 0,
  devMinor = 0,
): void {
  call ??= libc().libc.func("int mknod(const char*, unsigned int, uint64_t)") as NonNullable<typeof call>;
  if (call(terminated(path), fileTypes[type] | mode, deviceNumber(devMajor, devMinor)) !== 0)
    throw systemError("mknod", path.toString());
}

/** Major and minor number as glibc's makedev packs them. */
function deviceNumber(major: number, minor: number): bigint {
  const a = BigInt(major);
  const b = BigInt(minor);
  return ((a & 0xfffff000n) << 32n) | ((a & 0xfffn) << 8n) | ((b & 0xffffff00n) << 12n) | (b & 0xffn);
}

/** The numbers in a `rdev` of lstat. */
export function deviceOf(rdev: number | bigint): { major: number; minor: number } {
  const n = BigInt(rdev);
  return {
    major: Number(((n >> 32n) & 0xfffff000n) | ((n >> 8n) & 0xfffn)),
    minor: Number(((n >> 12n) & 0xffffff00n) | (n & 0xffn)),
  };
}
