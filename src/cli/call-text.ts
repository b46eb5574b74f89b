import type { CalledFile, CheckResult } from "../build/index.ts";
import type { BuildError, SourceRange } from "../core/index.ts";
import { linesOf, type Outline, type TargetList } from "../frontend/index.ts";

/** What `build --call` prints, in BuildKit's and buildx's words and forms. */

/** `--call check`: how many, then each with its excerpt, by line. */
export function checkText({ warnings, file, error }: CheckResult): string {
  if (warnings.length === 0) return error === undefined ? "Check complete, no warnings found.\n" : "";
  const count = warnings.length === 1 ? "1 warning has" : `${warnings.length} warnings have`;
  const sorted = [...warnings].sort((a, b) => lineOf(a.ranges) - lineOf(b.ranges));
  const blocks = sorted.map(
    ({ rule, url, message, ranges }) =>
      `\nWARNING: ${rule}${url === "" ? "" : ` - ${url}`}\n${message}\n${excerpt(file, ranges)}`,
  );
  return `Check complete, ${count} been found!\n${blocks.join("")}${error === undefined ? "" : "\n"}`;
}

/** Why the file cannot be built, with its place, as buildx prints it behind the findings. */
export function checkErrorText({ message, hint, details }: BuildError, file: CalledFile): string {
  const place = details.source === undefined ? "" : excerpt(file, details.source.ranges);
  return `ERROR: ${message}\n${place}${hint === undefined ? "" : `Hint: ${hint}\n`}`;
}

/** `--call check,format=json`. */
export function checkJson({ warnings, file, error }: CheckResult): unknown {
  return {
    warnings:
      warnings.length === 0
        ? null
        : warnings.map(({ rule, description, url, message, ranges }) => ({
            ruleName: rule,
            description,
            ...(url !== "" && { url }),
            detail: message,
            location: locationOf(ranges),
          })),
    sources: [{ filename: file.name, language: "Dockerfile", data: file.content.toString("base64") }],
    ...(error !== undefined && {
      buildError: { message: messageOf(error), location: locationOf(error.details.source?.ranges ?? []) },
    }),
  };
}

/** BuildKit puts a name that was perhaps meant behind the message, and names flags without their dashes. */
function messageOf({ message, hint = "" }: BuildError): string {
  const near = /^did you mean (?:--)?(.+?)\?/.exec(hint)?.[1];
  return near === undefined ? message : `${message} (did you mean ${near}?)`;
}

function locationOf(ranges: readonly SourceRange[]) {
  return ranges.length === 0 ? {} : { ranges: ranges.flatMap((range) => linesOf(range).ranges) };
}

/** `--call outline`. */
export function outlineText({ name, description, args, secrets, ssh }: Outline): string {
  const target = [["TARGET:", name ?? "(default)"]];
  if (description !== undefined) target.push(["DESCRIPTION:", description]);
  const lent = (title: string, things: Outline["secrets"]) => [
    [title, "REQUIRED"],
    ...(things ?? []).map((thing) => [thing.name, thing.required ? "true" : ""]),
  ];
  const tables = [
    name === undefined && description === undefined ? "" : columns(target, 1),
    args === undefined
      ? ""
      : columns(
          [
            ["BUILD ARG", "VALUE", "DESCRIPTION"],
            ...args.map((arg) => [arg.name, arg.value ?? "", arg.description ?? ""]),
          ],
          3,
        ),
    secrets === undefined ? "" : columns(lent("SECRET", secrets), 3),
    ssh === undefined ? "" : columns(lent("SSH", ssh), 3),
  ];
  return tables.map((table) => (table === "" ? "" : `${table}\n`)).join("");
}

/** `--call targets`. */
export function targetsText({ targets }: TargetList): string {
  const rows = targets.map((target) => {
    const name = [target.name, target.default ? "(default)" : undefined].filter((word) => word !== undefined);
    return [name.join(" "), target.description ?? ""];
  });
  return columns([["TARGET", "DESCRIPTION"], ...rows], 1);
}

/** Cells in columns, all but the last filled up to the widest and `padding` blanks. */
function columns(rows: readonly (readonly string[])[], padding: number): string {
  const widthOf = (column: number) =>
    Math.max(...rows.map((row) => [...(row[column] ?? "")].length)) + padding;
  const widths = rows[0]!.slice(0, -1).map((_, column) => widthOf(column));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell + " ".repeat(Math.max((widths[column] ?? 0) - [...cell].length, 0)))
      .join("");
  return rows.map((row) => `${line(row)}\n`).join("");
}

function lineOf(ranges: readonly SourceRange[]): number {
  return ranges[0]?.start.line ?? 0;
}

/** The lines of the ranges, marked, with as many around them as BuildKit shows. */
function excerpt({ shown, content }: CalledFile, ranges: readonly SourceRange[]): string {
  const lines = content.toString().split("\n");
  const marked = new Set(ranges.flatMap((range) => linesOf(range).ranges.map(({ start }) => start.line)));
  const first = Math.min(...marked);
  let [from, to] = [first, Math.min(Math.max(...marked), lines.length)];
  if (marked.size === 0 || from < 1 || from > lines.length) return "";
  const padding = from === to ? 4 : 2;
  for (let padded = 0; padded < padding; padded++) {
    if (from > 1) {
      from--;
      padded++;
    }
    if (to !== lines.length) {
      to++;
      padded++;
    }
  }
  const rule = "-".repeat(20);
  const text = lines
    .slice(from - 1, to)
    .map((line, i) => ` ${String(from + i).padStart(3)} | ${marked.has(from + i) ? ">>>" : "   "} ${line}\n`);
  return `${shown}:${first}\n${rule}\n${text.join("")}${rule}\n`;
}
