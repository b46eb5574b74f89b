import type { Digest } from "../../core/index.ts";
import type { CacheRecord, KeyStore } from "../types.ts";

/** A key store that lives as long as the process. Records pass through JSON, as those on disk do. */
export function createMemoryKeyStore(): KeyStore {
  const records = new Map<Digest, string>();
  const aliases = new Map<Digest, Digest>();
  const running = new Map<Digest, Promise<unknown>>();
  return {
    async get(key) {
      const record = records.get(key);
      return record === undefined ? undefined : (JSON.parse(record) as CacheRecord);
    },
    async put(key, record) {
      records.set(key, JSON.stringify(record));
    },
    async getAlias(key) {
      return aliases.get(key);
    },
    async putAlias(key, target) {
      aliases.set(key, target);
    },
    async exclusively(key, signal, work) {
      for (let other = running.get(key); other !== undefined; other = running.get(key)) {
        await other.catch(() => undefined);
        signal.throwIfAborted();
      }
      const mine = work();
      running.set(key, mine);
      try {
        return await mine;
      } finally {
        running.delete(key);
      }
    },
  };
}
