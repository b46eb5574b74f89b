/** Layers as tars, read and written: what only steps that really run need. */
export { bytesSource, readTar, type TarMember, type TarSource } from "../tar-reader.ts";
export { openLayerWriter } from "../writer.ts";
