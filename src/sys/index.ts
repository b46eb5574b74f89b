export * from "./flock.ts";
export { libc, systemError } from "./libc.ts";
export { deviceNumber, deviceOf, makeNode } from "./nodes.ts";
export { makePipe } from "./pipe.ts";
export { syncFilesystem } from "./sync.ts";
export { getXattr, listXattrs, removeXattr, setXattr } from "./xattr.ts";
