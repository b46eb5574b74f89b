import { invalid } from "../refuse.ts";

const symbolic = /^([ugoa]*([-+=]([rwxXst]*|[ugo]))+)(,[ugoa]*([-+=]([rwxXst]*|[ugo]))+)*$/;

/**
 * `--chmod`: permission bits in octal, or symbolic changes (`u=rwX,go=rX`), which the copy itself applies.
 * Throws `invalid-argument` for anything else.
 */
export function parseMode(text: string): { readonly mode: number; readonly modeStr: string } {
  if (text === "") return { mode: -1, modeStr: "" };
  if (/^[0-7]+$/.test(text)) {
    const mode = Number.parseInt(text, 8);
    if (mode > 0o7777) throw notOctal(text);
    return { mode, modeStr: "" };
  }
  if (/^[0-9]/.test(text)) throw notOctal(text);
  if (!symbolic.test(text))
    throw invalid("invalid syntax", `modes read like 0755 or u=rwX,go=rX, not like ${text}`);
  return { mode: 0, modeStr: text };
}

function notOctal(text: string): Error {
  return invalid(`invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`);
}
