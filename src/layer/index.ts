export { openLayerStore } from "./store.ts";
export { bytesSource, readTar, type TarMember, type TarSource } from "./tar-reader.ts";
export type * from "./types.ts";
export { openLayerWriter } from "./writer.ts";
