import { BuildError } from "../../core/index.ts";

function invalid(message: string): never {
  throw new BuildError("invalid-argument", message);
}

const nanoseconds: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** A duration as Go writes it (`1m30s`, `1.5h`, `0`), in nanoseconds. Throws as Go does. */
export function parseDuration(text: string): number {
  const bad = (): never => invalid(`time: invalid duration ${JSON.stringify(text)}`);
  const [, sign, body = ""] = /^([-+]?)(.*)$/s.exec(text) ?? [];
  if (body === "0") return 0;
  if (body === "") bad();
  let total = 0;
  for (let rest = body; rest !== ""; ) {
    const match = /^(\d+\.?\d*|\.\d+)([^\d.]*)/.exec(rest);
    if (match === null) return bad();
    const unit = match[2]!;
    if (unit === "") invalid(`time: missing unit in duration ${JSON.stringify(text)}`);
    if (!Object.hasOwn(nanoseconds, unit))
      invalid(`time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}`);
    total += Math.round(Number(match[1]) * nanoseconds[unit]!);
    rest = rest.slice(match[0].length);
  }
  if (total > 2 ** 63) bad();
  return sign === "-" ? -total : total;
}
