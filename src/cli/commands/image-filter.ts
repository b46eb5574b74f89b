import { matchesGlob } from "node:path";
import { BuildError, familiarReference, familiarRepository, parseReference } from "../../core/index.ts";
import { readImage } from "../../image/index.ts";
import type { ImageRecord } from "../../names/index.ts";
import type { Store } from "../../store/index.ts";

type Test = (record: ImageRecord) => boolean;

/** What `images --filter` lets through: filters of one kind are alternatives, of several kinds all hold. */
export function imageFilter(texts: readonly string[], store: Store): Test {
  const kinds = new Map<string, Test[]>();
  for (const text of texts) {
    const [key = "", value = ""] = text.split(/=(.*)/s);
    kinds.set(key, [...(kinds.get(key) ?? []), testOf(key, value, text, store)]);
  }
  return (record) =>
    [...kinds].every(([key, tests]) =>
      // A label more is one more that an image must have.
      key === "label" ? tests.every((test) => test(record)) : tests.some((test) => test(record)),
    );
}

/** Whether untagged images are asked for by a filter. */
export function wantsUntagged(texts: readonly string[]): boolean {
  return texts.some((text) => /^dangling=(true|1)$/i.test(text));
}

function testOf(key: string, value: string, text: string, store: Store): Test {
  switch (key) {
    case "dangling": {
      if (!/^(true|false|1|0)$/i.test(value)) throw wrong(text, "dangling=true or dangling=false");
      const wanted = /^(true|1)$/i.test(value);
      return (record) => (record.name === undefined) === wanted;
    }
    case "reference":
      return ({ name }) => name !== undefined && fits(name, value);
    case "label":
      return (record) => hasLabel(record, value, store);
    case "before":
    case "since": {
      const limit = createdOf(store.names.resolve(value), store);
      const sign = key === "before" ? -1 : 1;
      return (record) => sign * (createdOf(record, store) - limit) > 0;
    }
    default:
      throw wrong(text, "dangling, reference, label, before or since");
  }
}

function wrong(text: string, expected: string): BuildError {
  return new BuildError("invalid-argument", `--filter ${text}: expected ${expected}`);
}

/** `busy*`, `team/*:1`: a pattern for the name as it is listed, with or without its tag. */
function fits(name: string, pattern: string): boolean {
  const reference = parseReference(name);
  return (
    matchesGlob(familiarReference(reference), pattern) || matchesGlob(familiarRepository(reference), pattern)
  );
}

function hasLabel({ manifest }: ImageRecord, label: string, store: Store): boolean {
  const [key = "", value] = label.split(/=(.*)/s);
  const labels = configOf(manifest, store)?.config?.Labels ?? {};
  return Object.hasOwn(labels, key) && (value === undefined || labels[key] === value);
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
