export { type ImageDraft, type ImageForm, imageFromSnapshot } from "./build.ts";
export { encodeConfig, parseConfig } from "./config.ts";
export { type HistoryRow, historyRows } from "./history.ts";
export { encodeIndex } from "./index-document.ts";
export { imageSize, inspectImage, layerSizes } from "./inspect.ts";
export { type ImageRow, imageRows } from "./list.ts";
export {
  encodeManifest,
  isIndex,
  isIndexType,
  parseManifestOrIndex,
  selectManifest,
} from "./manifest.ts";
export { imageRecordOf, readImage, readRecord, snapshotOf } from "./read.ts";
export type * from "./types.ts";
