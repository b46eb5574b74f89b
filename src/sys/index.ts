export { tryFlock } from "./flock.ts";
export { deviceOf, makeNode } from "./nodes.ts";
export { makePipe } from "./pipe.ts";
export { openPty, type Pty, resizePty, type TerminalSize } from "./pty.ts";
export { syncFilesystem } from "./sync.ts";
export { getXattr, listXattrs, setXattr } from "./xattr.ts";
