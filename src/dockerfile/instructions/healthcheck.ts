import { goText } from "../../core/index.ts";
import { type Flags, located, type Reading, readFlags, refuse } from "./reading.ts";
import type { Healthcheck } from "./types.ts";
import { parseDuration } from "./values.ts";

const none = { interval: 0, timeout: 0, startPeriod: 0, startInterval: 0, retries: 0 };
const minimum = 1e6;

/** `HEALTHCHECK NONE`, or `HEALTHCHECK [flags] CMD command`. */
export function readHealthcheck(reading: Reading): Healthcheck {
  const [type, ...command] = reading.node.words;
  if (type === undefined) refuse(reading, "HEALTHCHECK requires at least one argument");
  const kind = type.text.toUpperCase();
  if (kind === "NONE") {
    // BuildKit does not even look at its flags.
    if (command.length > 0) refuse(reading, "HEALTHCHECK NONE takes no arguments");
    return { test: ["NONE"], ...none };
  }
  const flags = readFlags(reading, {
    interval: "string",
    timeout: "string",
    "start-period": "string",
    "start-interval": "string",
    retries: "string",
  });
  if (kind !== "CMD")
    refuse(reading, `Unknown type ${JSON.stringify(kind)} in HEALTHCHECK (try CMD)`, { at: type.range });
  if (command.length === 0) refuse(reading, "Missing command after HEALTHCHECK CMD");
  return {
    test: [reading.node.form === "json" ? "CMD" : "CMD-SHELL", ...command.map((word) => word.text)],
    interval: interval(reading, flags, "interval"),
    timeout: interval(reading, flags, "timeout"),
    startPeriod: interval(reading, flags, "start-period"),
    startInterval: interval(reading, flags, "start-interval"),
    retries: retries(reading, flags),
  };
}

function interval(reading: Reading, flags: Flags, name: string): number {
  const text = flags.text(name);
  if (text === "") return 0;
  const at = flags.range(name)!;
  const value = located(reading, at, () => parseDuration(text));
  if (value !== 0 && value < minimum) refuse(reading, `Interval "${name}" cannot be less than 1ms`, { at });
  return value;
}

function retries(reading: Reading, flags: Flags): number {
  const text = flags.text("retries");
  if (text === "") return 0;
  const at = flags.range("retries")!;
  const value = Number(text);
  const isNumber = /^[-+]?\d+$/.test(text);
  if (!isNumber || value >= 2 ** 31 || value < -(2 ** 31)) {
    const problem = isNumber ? "value out of range" : "invalid syntax";
    refuse(reading, `strconv.ParseInt: parsing ${goText.quote(text)}: ${problem}`, {
      at,
      hint: "--retries takes a whole number",
    });
  }
  if (value < 0) refuse(reading, `--retries cannot be negative (${value})`, { at });
  return value;
}
