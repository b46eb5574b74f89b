import { BuildError } from "../../core/index.ts";

export type FilterTest<T> = (listed: T) => boolean;

/** What `--filter KIND=VALUE` lets through, as docker's: filters of one kind are alternatives, of several kinds all hold. */
export function filterOf<T>(
  texts: readonly string[],
  testOf: (key: string, value: string, text: string) => FilterTest<T>,
): FilterTest<T> {
  const kinds = new Map<string, FilterTest<T>[]>();
  for (const text of texts) {
    const [key = "", value = ""] = text.split(/=(.*)/s);
    kinds.set(key, [...(kinds.get(key) ?? []), testOf(key, value, text)]);
  }
  return (listed) =>
    [...kinds].every(([key, tests]) =>
      // A label more is one more that there must be.
      key === "label" ? tests.every((test) => test(listed)) : tests.some((test) => test(listed)),
    );
}

/** The test of `label=NAME` and `label=NAME=VALUE`. */
export function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const [name = "", value] = wanted.split(/=(.*)/s);
  return Object.hasOwn(labels, name) && (value === undefined || labels[name] === value);
}

/** The error of a filter that is none. */
export function wrongFilter(text: string, expected: string): BuildError {
  return new BuildError("invalid-argument", `--filter ${text}: expected ${expected}`);
}
