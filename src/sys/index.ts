export { tryFlock } from "./flock.ts";
export { deviceOf, makeNode } from "./nodes.ts";
export { makePipe } from "./pipe.ts";
export { makeRaw, openPty, type Pty, resizePty, type TerminalSize } from "./pty.ts";
export { enterRoot } from "./root.ts";
export { syncFilesystem } from "./sync.ts";
export { getXattr, listXattrs, setXattr } from "./xattr.ts";
