import { suggest } from "../suggest.ts";

/**
 * Messages for variables that an instruction used and nobody set. `known` are the names that exist there, `declared`
 * those that an ARG declares without a value, which is no mistake.
 */
export function undefinedVariables(
  unmatched: Iterable<string>,
  known: Iterable<string>,
  declared: ReadonlySet<string>,
): string[] {
  const names = [...known];
  return [...unmatched]
    .filter((name) => !declared.has(name))
    .map((name) => {
      const near = suggest(name, names);
      return `Usage of undefined variable '$${name}'${near ? ` (did you mean $${near}?)` : ""}`;
    });
}
