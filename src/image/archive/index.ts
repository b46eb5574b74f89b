/** Archives and layouts: images that come from files and go to files. */
export { importRootfs, type RootfsImport } from "../import.ts";
export { replaceFileWith, writeLayout } from "./layout.ts";
export { type LoadedImage, type LoadOptions, loadArchive, loadFromLayout } from "./load.ts";
export { type ArchiveFormat, type ArchiveImage, saveArchive } from "./save.ts";
