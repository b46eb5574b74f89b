import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { median } from "./measure.ts";

/** What one contender, or one native command, did with a workload. */
export interface Result {
  readonly name: string;
  readonly milliseconds: readonly number[];
  /** Bytes; 0 when it was not measured. */
  readonly peakMemory: number;
  readonly failure?: string;
}

export interface WorkloadReport {
  readonly title: string;
  readonly results: readonly Result[];
}

/** The results as Markdown, with machine and versions. */
export function markdown(reports: readonly WorkloadReport[], versions: readonly string[]): string {
  return [
    `Measured ${new Date().toISOString().slice(0, 10)} on ${machine()}.`,
    "",
    ...versions.map((line) => `- ${line}`),
    "",
    ...reports.flatMap(({ title, results }) => ["", `### ${title}`, "", ...table(results)]),
    "",
  ].join("\n");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

function table(results: readonly Result[]): string[] {
  const ours = results.find(({ name }) => name === "stagewright");
  const reference = ours && ours.milliseconds.length > 0 ? median(ours.milliseconds) : undefined;
  const rows = results.map(({ name, milliseconds, peakMemory, failure }) => {
    if (milliseconds.length === 0) return `| ${cell(name)} | failed | ${cell(failure ?? "")} | | |`;
    const middle = median(milliseconds);
    const ratio = reference === undefined ? "" : `${(middle / reference).toFixed(2)}×`;
    const range = `${seconds(Math.min(...milliseconds))} – ${seconds(Math.max(...milliseconds))}`;
    const memory = peakMemory > 0 ? `${Math.round(peakMemory / 2 ** 20)} MB` : "";
    return `| ${cell(name)} | ${seconds(middle)} | ${range} | ${ratio} | ${memory} |`;
  });
  return [
    "| | median | range | to stagewright | peak memory |",
    "| --- | ---: | ---: | ---: | ---: |",
    ...rows,
  ];
}

function seconds(milliseconds: number): string {
  return milliseconds < 1000 ? `${milliseconds.toFixed(0)} ms` : `${(milliseconds / 1000).toFixed(2)} s`;
}

function machine(): string {
  const os = /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "Linux";
  const processors = cpus();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  return `${processors.length} × ${processors[0]?.model.trim() ?? "processor"}, ${memory}, ${os}, Linux ${release()}`;
}

/** Versions of the native commands, which set the limits. */
export function nativeVersions(): string {
  const first = (program: string) =>
    execFileSync(program, ["--version"], { encoding: "utf8" }).split("\n")[0]!;
  return `native: Node ${process.versions.node}, ${["tar", "find", "cp"].map(first).join(", ")}`;
}

const [begin, end] = ["<!-- results: npm run bench -- --write -->", "<!-- end of results -->"];

/** Replaces the results in bench/README.md. */
export function writeReadme(file: string, results: string): void {
  const text = readFileSync(file, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file} has lost its markers: ${begin} … ${end}`);
  writeFileSync(file, `${text.slice(0, from + begin.length)}\n\n${results}\n${text.slice(to)}`);
}
