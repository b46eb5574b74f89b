import { matchesGlob } from "node:path";
import { familiarReference, familiarRepository, parseReference } from "../../core/index.ts";
import { readImage } from "../../image/index.ts";
import type { ImageRecord } from "../../names/index.ts";
import type { Store } from "../../store/index.ts";
import { type FilterTest, filterOf, hasLabel, wrongFilter } from "./filter.ts";

type Test = FilterTest<ImageRecord>;

/** What `images --filter` lets through. */
export function imageFilter(texts: readonly string[], store: Store): Test {
  return filterOf(texts, (key, value, text) => testOf(key, value, text, store));
}

/** Whether untagged images are asked for by a filter. */
export function wantsUntagged(texts: readonly string[]): boolean {
  return texts.some((text) => /^dangling=(true|1)$/i.test(text));
}

function testOf(key: string, value: string, text: string, store: Store): Test {
  switch (key) {
    case "dangling": {
      if (!/^(true|false|1|0)$/i.test(value)) throw wrongFilter(text, "dangling=true or dangling=false");
      const wanted = /^(true|1)$/i.test(value);
      return (record) => (record.name === undefined) === wanted;
    }
    case "reference":
      return ({ name }) => name !== undefined && fits(name, value);
    case "label":
      return ({ manifest }) => hasLabel(configOf(manifest, store)?.config?.Labels ?? {}, value);
    case "before":
    case "since": {
      const limit = createdOf(store.names.resolve(value), store);
      const sign = key === "before" ? -1 : 1;
      return (record) => sign * (createdOf(record, store) - limit) > 0;
    }
    default:
      throw wrongFilter(text, "dangling, reference, label, before or since");
  }
}

/** `busy*`, `team/*:1`: a pattern for the name as it is listed, with or without its tag. */
function fits(name: string, pattern: string): boolean {
  const reference = parseReference(name);
  return (
    matchesGlob(familiarReference(reference), pattern) || matchesGlob(familiarRepository(reference), pattern)
  );
}

function createdOf({ manifest }: ImageRecord, store: Store): number {
  return Date.parse(configOf(manifest, store)?.created ?? "") || 0;
}

function configOf(manifest: ImageRecord["manifest"], store: Store) {
  try {
    return readImage(store.content, manifest).config;
  } catch {
    return undefined; // damaged: it has no label and no time
  }
}
