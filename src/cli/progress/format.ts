import type { StatusEvent } from "../../core/index.ts";

/** `0.4`, from milliseconds. */
export function seconds(milliseconds: number): string {
  return (Math.max(0, milliseconds) / 1000).toFixed(1);
}

const units = ["B", "kB", "MB", "GB", "TB"] as const;

/** A size as docker shows it: decimal, up to four significant digits (`219.1kB`) or as many as wanted. */
export function formatSize(bytes: number, digits = 4): string {
  let value = bytes;
  let unit = 0;
  // What rounds up to 1000 of a unit is one of the next.
  while (Number(value.toPrecision(digits)) >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const text = unit === 0 ? String(value) : String(Number(value.toPrecision(digits)));
  return `${text}${units[unit]}`;
}

/** ` 1.2MB / 5MB`, or ` 36B`, or nothing where nothing is counted. */
export function formatProgress(status: StatusEvent): string {
  if (status.total > 0) return ` ${formatSize(status.current)} / ${formatSize(status.total)}`;
  return status.current > 0 ? ` ${formatSize(status.current)}` : "";
}

/** Characters that could move the cursor or change the terminal, made visible. Colours of a step's output are dropped. */
export function printable(text: string): string {
  return text
    .replace(/\u001b\[[0-9;?]*[ -/]*[@-~]/g, "")
    .replace(/\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)/g, "")
    .replace(/\t/g, "    ")
    .replace(/[\u0000-\u001f\u007f-\u009f]/g, "");
}

/** The same for what may end in a log or a pipe: colours and tabs stay. */
export function printableLine(text: string): string {
  const parts = text.split(/(\u001b\[[0-9;]*m)/);
  return parts.map((part, i) => (i % 2 === 1 ? part : part.split("\t").map(printable).join("\t"))).join("");
}

/** Where the text stops being drawn in cells of one column: combining marks take none, East Asian wide characters two. */
const zeroWidth = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
const doubleWidth =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1faff}\u{20000}-\u{3fffd}]$/u;
const plainAscii = /^[ -~]*$/;

/** Columns that a terminal needs for a text without control characters. */
export function displayWidth(text: string): number {
  if (plainAscii.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** The text cut to at most so many columns and filled up with spaces to exactly that many. */
export function fit(text: string, columns: number): string {
  if (plainAscii.test(text)) return text.slice(0, Math.max(0, columns)).padEnd(columns);
  let width = 0;
  let fitting = "";
  for (const character of text) {
    const next = width + characterWidth(character);
    if (next > columns) break;
    width = next;
    fitting += character;
  }
  return fitting + " ".repeat(Math.max(0, columns - width));
}

function characterWidth(character: string): number {
  if (zeroWidth.test(character)) return 0;
  return doubleWidth.test(character) ? 2 : 1;
}
