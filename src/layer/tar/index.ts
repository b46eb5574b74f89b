/** Layers as tars, read and written: what only steps that really run need. */
export { readTar, type TarMember } from "../tar-reader.ts";
export { openLayerWriter } from "../writer.ts";
