export type * from "./types.ts";
export { openLayerWriter } from "./writer.ts";
export { readTar, type TarMember, type TarSource } from "./tar-reader.ts";
