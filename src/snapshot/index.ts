export { contentDigest } from "./content-digest.ts";
export { openView } from "./view.ts";
export { createRootfs, openRootfs } from "./rootfs.ts";
export type * from "./types.ts";
