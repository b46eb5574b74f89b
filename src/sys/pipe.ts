import { libc, systemError } from "./libc.ts";

const closeOnExec = 0o2000000;

let pipe2: ((descriptors: Int32Array, flags: number) => number) | undefined;

/**
 * A pipe(2), close-on-exec. Node's own pipes to children are sockets, which a child cannot open again
 * through /dev/stdout. Both descriptors belong to the caller.
 */
export function makePipe(): { readonly read: number; readonly write: number } {
  pipe2 ??= libc().libc.func("int pipe2(_Out_ int*, int)") as NonNullable<typeof pipe2>;
  const descriptors = new Int32Array(2);
  if (pipe2(descriptors, closeOnExec) !== 0) throw systemError("pipe2");
  return { read: descriptors[0]!, write: descriptors[1]! };
}
