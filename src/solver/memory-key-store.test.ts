import { createMemoryKeyStore } from "./index.ts";
import { testKeyStore } from "./key-store-suite.ts";

testKeyStore("memory", async () => {
  const store = createMemoryKeyStore();
  return { store, reopen: () => store };
});
