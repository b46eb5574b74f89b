/** White space as Go's `unicode.IsSpace` has it, which is what BuildKit trims and splits by. */
export function isSpace(char: string): boolean {
  const code = char.charCodeAt(0);
  if (code < 128) return code === 32 || (code >= 9 && code <= 13);
  return (
    code === 0x85 ||
    code === 0xa0 ||
    code === 0x1680 ||
    (code >= 0x2000 && code <= 0x200a) ||
    code === 0x2028 ||
    code === 0x2029 ||
    code === 0x202f ||
    code === 0x205f ||
    code === 0x3000
  );
}

/** How much white space `text` begins with. */
export function leadingSpaces(text: string): number {
  let at = 0;
  while (at < text.length && isSpace(text[at]!)) at++;
  return at;
}

/** `text` without white space around it. */
export function trimSpace(text: string): string {
  const start = leadingSpaces(text);
  let end = text.length;
  while (end > start && isSpace(text[end - 1]!)) end--;
  return text.slice(start, end);
}
