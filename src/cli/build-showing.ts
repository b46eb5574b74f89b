import type { BuildResult } from "../build/index.ts";
import { familiarReference, formatPlatform, parseReference, type WarningEvent } from "../core/index.ts";
import type { Output } from "../exporter/index.ts";
import { adviceText, notableAdvice } from "./advice-text.ts";
import { createDisplay, type Display, type ProgressKind, type Terminal } from "./progress/index.ts";
import { stageTable } from "./stage-table.ts";
import { counted, shortId } from "./text-table.ts";

/** How a build is shown: while it runs, and when it has ended. */
export interface Showing {
  readonly display: Display;
  /** Tells of a failure in its own way and returns the exit code; undefined where it is told as any error is. */
  failed(error: unknown): number | undefined;
  made(result: BuildResult, warnings: readonly WarningEvent[]): void;
}

/** The progress of `kind`, then warnings and the table of stages. */
export function usualShowing(kind: ProgressKind, terminal: Terminal, outputs: readonly Output[]): Showing {
  return {
    display: createDisplay(kind, terminal),
    failed: () => undefined,
    made(result, warnings) {
      if (kind === "quiet" || kind === "none" || kind === "rawjson") return;
      terminal.write(warningText(warnings));
      for (const { platform, sizes } of result.platforms) {
        const suffix = result.platforms.length > 1 ? ` for ${formatPlatform(platform)}` : "";
        terminal.write(`\n${stageTable(sizes, `${madeThing(result, outputs)}${suffix}`)}`);
      }
      terminal.write(adviceText(notableAdvice(result.advice)));
    },
  };
}

/** Whether an output goes to standard output. */
export function isStdout(output: Output): boolean {
  return "dest" in output && output.dest === "-";
}

/** What was made, for the last line: an image by its names, or files by where they are. */
function madeThing({ names, imageId }: BuildResult, outputs: readonly Output[]): string {
  if (names.length > 0)
    return `Image ${names.map((name) => familiarReference(parseReference(name))).join(", ")}`;
  if (imageId !== undefined) return `Image ${shortId(imageId)}`;
  const places = outputs.flatMap((output) => ("dest" in output && !isStdout(output) ? output.dest : []));
  return places.length === 0 ? "Root filesystem" : `Root filesystem in ${places.join(", ")}`;
}

/** What the linter and the steps warned of, for the end of a build. */
export function warningText(warnings: readonly WarningEvent[]): string {
  if (warnings.length === 0) return "";
  const lines = warnings.map(({ rule, short, ranges }) => {
    const line = ranges?.[0]?.start.line;
    return ` - ${rule === undefined ? "" : `${rule}: `}${short}${line === undefined ? "" : ` (line ${line})`}\n`;
  });
  return `\n ${counted(warnings.length, "warning")} found:\n${lines.join("")}`;
}
