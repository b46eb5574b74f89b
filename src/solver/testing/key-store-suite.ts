import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { digestOf } from "../../core/index.ts";
import type { CacheRecord, KeyStore } from "../types.ts";

/** What every key store must do. `open` gives a new, empty one; `reopen` another view of the same one. */
export function testKeyStore(
  name: string,
  open: () => Promise<{ store: KeyStore; reopen: () => KeyStore }>,
): void {
  const record: CacheRecord = {
    results: [{ layers: ["a", "b"] }, null],
    created: 1_700_000_000_123,
    duration: 17,
    name: "[base 2/2] RUN true",
    ingredients: [{ name: "definition", value: "x" }],
  };
  const key = digestOf("key");

  test(`${name}: keeps records and aliases, for other views of the store too`, async () => {
    const { store, reopen } = await open();
    assert.equal(await store.get(key), undefined);
    assert.equal(await store.getAlias(key), undefined);
    await store.put(key, record);
    await store.putAlias(key, digestOf("target"));
    for (const view of [store, reopen()]) {
      assert.deepEqual(await view.get(key), record);
      assert.equal(await view.getAlias(key), digestOf("target"));
    }
  });

  test(`${name}: the last record wins`, async () => {
    const { store } = await open();
    await store.put(key, record);
    await store.put(key, { ...record, salt: "s" });
    assert.equal((await store.get(key))?.salt, "s");
  });

  test(`${name}: work under one key never overlaps, work under two does`, async () => {
    const { store, reopen } = await open();
    const { signal } = new AbortController();
    let now = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++now);
      await sleep(15);
      now--;
    };
    await Promise.all([store, reopen(), store].map((view) => view.exclusively(key, signal, work)));
    assert.equal(most, 1);
    await Promise.all(["a", "b"].map((text) => store.exclusively(digestOf(text), signal, work)));
    assert.equal(most, 2);
  });

  test(`${name}: a failure frees the key`, async () => {
    const { store } = await open();
    const { signal } = new AbortController();
    await assert.rejects(
      store.exclusively(key, signal, async () => {
        throw new Error("no");
      }),
      /no/,
    );
    assert.equal(await store.exclusively(key, signal, async () => 7), 7);
  });

  test(`${name}: waiting for a key ends with the signal`, async () => {
    const { store } = await open();
    const abort = new AbortController();
    let finish = () => {};
    const first = store.exclusively(
      key,
      new AbortController().signal,
      () => new Promise<void>((done) => (finish = done)),
    );
    const second = store.exclusively(key, abort.signal, async () => assert.fail("ran"));
    setTimeout(() => abort.abort(new Error("enough")), 10);
    setTimeout(() => finish(), 40);
    await assert.rejects(second);
    await first;
  });
}
