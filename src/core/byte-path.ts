/**
 * A file name or path as Linux has it: bytes. Each UTF-16 unit of the string is one byte (latin1), so that
 * names that are not UTF-8 survive, and JavaScript's string order is the byte order that layers are sorted by.
 * Paths inside a layer or root filesystem are relative, without leading or trailing slash, `.` or `..`;
 * the root itself is `""`.
 */
export type BytePath = string;

/** From ordinary text (a Dockerfile, a flag). */
export function bytePathOf(text: string): BytePath {
  return isAscii(text) ? text : Buffer.from(text, "utf8").toString("latin1");
}

/** To ordinary text, for messages; bytes that are not UTF-8 become U+FFFD. */
export function textOf(path: BytePath): string {
  return isAscii(path) ? path : Buffer.from(path, "latin1").toString("utf8");
}

/** What `node:fs` takes: a string where that is exact, else the bytes. */
export function fsPath(path: BytePath): string | Buffer {
  return isAscii(path) ? path : Buffer.from(path, "latin1");
}

/** The last component. */
export function nameOf(path: BytePath): BytePath {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** All but the last component; the root for an entry of the root, and for the root itself. */
export function parentOf(path: BytePath): BytePath {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

/** The path of `name` in `parent`; either may be the root. */
export function joinPath(parent: BytePath, name: BytePath): BytePath {
  if (parent === "") return name;
  return name === "" ? parent : `${parent}/${name}`;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}
