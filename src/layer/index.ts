export { openLayerStore } from "./store.ts";
export { tarEnd, tarHeader, tarPadding } from "./tar-header.ts";
export { readTar, type TarMember, type TarSource } from "./tar-reader.ts";
export type * from "./types.ts";
