import { testKeyStore } from "./testing/key-store-suite.ts";
import { createMemoryKeyStore } from "./testing/memory-key-store.ts";

testKeyStore("memory", async () => {
  const store = createMemoryKeyStore();
  return { store, reopen: () => store };
});
