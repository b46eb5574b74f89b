/** Columns as docker prints them: aligned to the left, three spaces apart. */
export function textTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("   ")
      .trimEnd();
  return `${[head, ...rows].map(line).join("\n")}\n`;
}

const steps = [
  [60, "second"],
  [60, "minute"],
  [24, "hour"],
  [7, "day"],
  [4.3, "week"],
  [12, "month"],
] as const;

/** `3 minutes ago`; `N/A` for what is not known. */
export function ago(time: number | string | undefined): string {
  const then = typeof time === "string" ? Date.parse(time) : time;
  if (then === undefined || Number.isNaN(then)) return "N/A";
  let amount = Math.max(0, (Date.now() - then) / 1000);
  if (amount < 1) return "Less than a second ago";
  for (const [size, unit] of steps) {
    if (amount < size) return count(amount, unit);
    amount /= size;
  }
  return count(amount, "year");
}

/** `2026-11-21 06:59:16 +0000 UTC`, as docker's `.CreatedAt` has it. */
export function createdAt(time: string | undefined): string {
  const then = Date.parse(time ?? "");
  if (Number.isNaN(then)) return "N/A";
  return new Date(then).toISOString().replace(/T(.*)\.\d+Z$/, " $1 +0000 UTC");
}

function count(amount: number, unit: string): string {
  const whole = Math.floor(amount);
  return `${whole} ${unit}${whole === 1 ? "" : "s"} ago`;
}

/** The twelve digits that docker shows of an id. */
export function shortId(digest: string): string {
  return digest.replace(/^sha256:/, "").slice(0, 12);
}

/** `1 layer`, `2 layers`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
