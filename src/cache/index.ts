export { type FileKeyStore, openKeyStore, type StoredRecord } from "./key-store.ts";
