import type { Advice } from "../dockerfile/index.ts";

/** Advice about stages, a line each, with what it costs where that is known. */
export function adviceText(
  advice: readonly Advice[],
  file: string,
  costOf: (advice: Advice) => string | undefined = () => undefined,
): string {
  if (advice.length === 0) return "";
  const lines = advice.map((one) => {
    const cost = costOf(one);
    const place = `${file}:${one.ranges[0]?.start.line}`;
    return ` - ${one.rule} (${place}): ${one.message}${cost === undefined ? "" : ` [${cost}]`}\n`;
  });
  return `\nAbout the stages:\n${lines.join("")}`;
}
