export { openContentStore } from "./store.ts";
export type { Blob, ContentStore } from "./types.ts";
