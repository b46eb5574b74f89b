import type { PricedAdvice } from "../build/index.ts";
import { formatSize } from "./progress/format.ts";

/** Below these a mistake is not worth a line at the end of a build. */
const notableBytes = 10_000_000;
const notableMilliseconds = 2_000;

/** Advice about stages, a line each, with what it costs where that is known. */
export function adviceText(advice: readonly PricedAdvice[], file?: string): string {
  if (advice.length === 0) return "";
  const lines = advice.map((one) => {
    const line = one.ranges[0]?.start.line;
    const place = file === undefined ? `line ${line}` : `${file}:${line}`;
    return ` - ${one.rule} (${place}): ${one.message}${priceText(one)}\n`;
  });
  return `\nAbout the stages:\n${lines.join("")}`;
}

/** Only what costs something worth mentioning. */
export function notableAdvice(advice: readonly PricedAdvice[]): PricedAdvice[] {
  return advice.filter(
    ({ bytes = 0, milliseconds = 0 }) => bytes >= notableBytes || milliseconds >= notableMilliseconds,
  );
}

function priceText({ bytes, milliseconds }: PricedAdvice): string {
  if (bytes !== undefined) return ` [${formatSize(bytes, 3)}]`;
  return milliseconds === undefined ? "" : ` [${(milliseconds / 1000).toFixed(1)}s]`;
}
