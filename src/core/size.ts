/** A size such as `512m` or `1.5GiB` in bytes, by powers of 1024; undefined when it is none. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(text);
  if (match === null) return undefined;
  const power = " kmgtp".indexOf(match[2]!.toLowerCase() || " ");
  return Math.floor(Number(match[1]) * 1024 ** power);
}
