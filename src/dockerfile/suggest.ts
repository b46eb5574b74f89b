/** Nobody needs help with longer names, and comparing them takes long. */
const longestName = 100;

/** Nor with a choice of more than this. */
const mostOptions = 2000;

/**
 * The option nearest to `value`, at most two edits away; undefined when none is, or when one is equal (then
 * the name was not the mistake). With `ignoreCase` the answer takes the case of `value`.
 */
export function suggest(
  value: string,
  options: Iterable<string>,
  { ignoreCase = false }: { readonly ignoreCase?: boolean } = {},
): string | undefined {
  const wanted = ignoreCase ? value.toLowerCase() : value;
  let best: string | undefined;
  let least = 3;
  let tried = 0;
  if (value.length > longestName) return undefined;
  for (const option of options) {
    if (++tried > mostOptions) break;
    const candidate = ignoreCase ? option.toLowerCase() : option;
    if (candidate === wanted) return undefined;
    if (Math.abs(candidate.length - wanted.length) >= least) continue;
    const distance = isSwap(wanted, candidate) ? 1 : editDistance(wanted, candidate);
    if (distance < least) {
      least = distance;
      best = ignoreCase ? inCaseOf(option, value) : option;
    }
  }
  return best;
}

function inCaseOf(option: string, value: string): string {
  if (value === value.toLowerCase()) return option.toLowerCase();
  return value === value.toUpperCase() ? option.toUpperCase() : option.toLowerCase();
}

/** A hint for an error about an unknown name. */
export function didYouMean(
  value: string,
  options: Iterable<string>,
  how: { readonly ignoreCase?: boolean } = {},
) {
  const match = suggest(value, options, how);
  return match === undefined ? undefined : `did you mean ${match}?`;
}

/** Whether two neighbours changed places, which is one slip of the fingers though two edits. */
function isSwap(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return (
    at + 1 < a.length && a[at] === b[at + 1] && a[at + 1] === b[at] && a.slice(at + 2) === b.slice(at + 2)
  );
}

/** Levenshtein's distance, as BuildKit counts it: what checks suggest is part of their messages. */
function editDistance(a: string, b: string): number {
  const row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    let diagonal = row[0]!;
    row[0] = i;
    for (let j = 1; j <= b.length; j++) {
      const above = row[j]!;
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(above + 1, row[j - 1]! + 1, diagonal + cost);
      diagonal = above;
    }
  }
  return row[b.length]!;
}
