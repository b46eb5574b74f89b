import type { SizeReport, StageReport } from "../build/index.ts";
import { displayWidth, formatSize } from "./progress/format.ts";
import { counted } from "./text-table.ts";

/** Names of bases are cut to this, so that the table fits a terminal. */
const widestName = 40;

/**
 * The table at the end of a build: each stage with its size, which were skipped and why, what the result has and what was
 * left behind.
 *
 * @param result what was made, as the last line names it: `Image hello`, `Files`
 */
export function stageTable(report: SizeReport, result: string): string {
  const rows = report.stages.map((stage) => [
    cut(stage.label),
    cut(stage.base),
    sizeText(stage),
    remark(stage),
  ]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => displayWidth(row[column] ?? ""))));
  const lines = rows.map((row) => {
    const [label, base, size] = row.map((cell, column) => {
      const space = " ".repeat(Math.max(0, (widths[column] ?? 0) - displayWidth(cell)));
      return column === 2 ? space + cell : cell + space;
    });
    return `  ${label}  ${base}  ${size}  ${row[3]}`.trimEnd();
  });
  return `Stages:\n${lines.join("\n")}\n${summary(report, result)}\n`;
}

function summary(report: SizeReport, result: string): string {
  const count = counted(report.imageLayers, "layer");
  const known = report.stages.every((stage) => !stage.needed || stage.size !== undefined);
  const behind = report.leftBehind > 0 ? `; left behind: ${known ? "" : "at least "}` : "";
  const size = behind === "" ? "" : formatSize(report.leftBehind, 3);
  return `${result}: ${formatSize(report.imageSize, 3)} in ${count}${behind}${size}`;
}

function sizeText(stage: StageReport): string {
  return stage.size === undefined ? "-" : formatSize(stage.size, 3);
}

function remark(stage: StageReport): string {
  if (stage.target) return "the image";
  if (!stage.needed) return `skipped: ${stage.reason}`;
  return stage.size === undefined ? "its files were not looked at: cached" : "";
}

function cut(name: string): string {
  return name.length > widestName ? `${name.slice(0, widestName - 1)}…` : name;
}
