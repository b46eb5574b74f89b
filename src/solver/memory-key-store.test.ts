import { testKeyStore } from "./key-store-suite.ts";
import { createMemoryKeyStore } from "./memory-key-store.ts";

testKeyStore("memory", async () => {
  const store = createMemoryKeyStore();
  return { store, reopen: () => store };
});
