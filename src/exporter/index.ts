export { type DirectoryResult, writeDirectory } from "./directory.ts";
export { type ExportOptions, type ExportResult, type ExportStores, exportResult } from "./export.ts";
export { type Output, parseOutput } from "./output.ts";
export { type RootfsOptions, writeRootfsTar } from "./rootfs-tar.ts";
