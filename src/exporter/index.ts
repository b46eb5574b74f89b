export { type ExportOptions, type ExportResult, type ExportStores, exportResult } from "./export.ts";
export { type Output, parseOutput } from "./output.ts";
