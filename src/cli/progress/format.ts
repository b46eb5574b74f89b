import type { StatusEvent } from "../../core/index.ts";

/** `0.4`, from milliseconds. */
export function seconds(milliseconds: number): string {
  return (Math.max(0, milliseconds) / 1000).toFixed(1);
}

const units = ["B", "kB", "MB", "GB", "TB"] as const;

/** A size as docker shows it: decimal, up to four significant digits (`219.1kB`). */
export function formatSize(bytes: number, digits = 4): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
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
