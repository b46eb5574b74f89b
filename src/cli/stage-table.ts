import type { SizeReport, StageReport } from "../build/index.ts";
import { formatSize } from "./progress/format.ts";

/**
 * The table at the end of a build: each stage with its size, which were skipped and why, what the image has and what was
 * left behind.
 */
export function stageTable(report: SizeReport, imageName: string): string {
  const rows = report.stages.map((stage) => [stage.label, stage.base, sizeText(stage), remark(stage)]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map(
    ([label = "", base = "", size = "", note = ""]) =>
      `  ${label.padEnd(widths[0] as number)}  ${base.padEnd(widths[1] as number)}  ${size.padStart(widths[2] as number)}  ${note}`,
  );
  const behind = report.leftBehind > 0 ? `; left behind: ${formatSize(report.leftBehind, 3)}` : "";
  const count = `${report.imageLayers} layer${report.imageLayers === 1 ? "" : "s"}`;
  const head = `Image ${imageName}: ${formatSize(report.imageSize, 3)} in ${count}${behind}`;
  return `Stages:\n${lines.map((line) => line.trimEnd()).join("\n")}\n${head}\n`;
}

function sizeText(stage: StageReport): string {
  return stage.size === undefined ? "-" : formatSize(stage.size, 3);
}

function remark(stage: StageReport): string {
  if (stage.target) return "the image";
  return stage.needed ? "" : `skipped: ${stage.reason}`;
}
