export { contentDigest } from "./content-digest.ts";
export { copyBytes } from "./file-bytes.ts";
export type { IndexBuilder } from "./index-builder.ts";
export { createIndexBuilder } from "./index-builder.ts";
export type { BuiltIndex, IndexedEntry } from "./index-encoder.ts";
export type { LayerIndex } from "./index-format.ts";
export {
  entryAt,
  findRecord,
  flagsAt,
  indexFlags,
  pathAt,
  positionAt,
  recordFlags,
  typeAt,
} from "./index-format.ts";
export { createRootfs, openRootfs } from "./rootfs.ts";
export type * from "./types.ts";
export { loadIndex, openView, viewOf } from "./view.ts";
