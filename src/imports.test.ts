import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { test } from "node:test";

/**
 * Who may import whom, type imports included. Data flows one way:
 * dockerfile → frontend → llb → solver → ops → layer → image → exporter. Everybody may import `core` and `sys`.
 */
const table: Readonly<Record<string, readonly string[]>> = {
  core: [],
  sys: [],
  dockerfile: [],
  convert: ["dockerfile"],
  llb: [],
  frontend: ["dockerfile", "llb"],
  solver: [],
  content: [],
  names: ["content"],
  snapshot: [],
  stacking: [],
  layer: ["content", "snapshot", "names", "stacking"],
  image: ["layer", "content", "names", "snapshot"],
  config: [],
  docker: [],
  registry: ["content", "config", "image"],
  executor: ["snapshot", "names", "stacking"],
  session: [],
  source: ["registry", "image", "layer", "snapshot", "content", "names", "llb", "config", "docker"],
  ops: ["llb", "solver", "source", "executor", "layer", "snapshot", "names", "session", "stacking"],
  exporter: ["image", "layer", "snapshot", "content", "names", "registry", "docker"],
  container: ["executor", "snapshot", "content", "names", "layer", "stacking"],
  cache: ["solver", "layer", "content", "names", "registry"],
  store: ["content", "names", "image", "layer", "snapshot", "cache", "stacking"],
};

const source = import.meta.dirname;
const files = globSync("**/*.ts", { cwd: source }).filter((file) => !file.endsWith(".d.ts"));
const importPattern =
  /(?:^|[;}\n])\s*(?:import|export)\b[^'"`;]*?\bfrom\s*["']([^"']+)["']|\bimport\s*\(?\s*["']([^"']+)["']/g;

function importsOf(file: string): string[] {
  const text = readFileSync(join(source, file), "utf8");
  return [...text.matchAll(importPattern)]
    .map((match) => match[1] ?? match[2] ?? "")
    .filter((target) => target.startsWith("."))
    .map((target) => relative(source, join(source, dirname(file), target)));
}

function folderOf(file: string): string {
  return file.includes(sep) ? (file.split(sep)[0] as string) : "";
}

/** Tests and what only tests use may reach further. */
function isTest(file: string): boolean {
  return /\.test\.ts$|-suite\.ts$|(^|\/)testing\//.test(file);
}

test("the pattern sees every form of import", () => {
  assert.ok(importsOf("solver/solver.ts").includes("core/index.ts"));
  assert.ok(importsOf("solver/index.ts").includes("solver/types.ts"));
});

test("folders import only what the table allows, and only through index.ts", () => {
  const wrong: string[] = [];
  for (const file of files) {
    const from = folderOf(file);
    const allowed = table[from];
    if (allowed === undefined || isTest(file)) continue;
    for (const target of importsOf(file)) {
      const to = folderOf(target);
      if (to === from) continue;
      if (to !== "core" && to !== "sys" && !allowed.includes(to)) wrong.push(`${file} imports ${target}`);
      else if (!target.endsWith("/index.ts")) wrong.push(`${file} imports ${target}, not ${to}/index.ts`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("every folder that others may import stands in the table", () => {
  const open = new Set(["build", "cli", ""]);
  const folders = new Set(files.map(folderOf).filter((folder) => !open.has(folder)));
  assert.deepEqual(
    [...folders].filter((folder) => table[folder] === undefined),
    [],
  );
});

test("no file imports itself through others", () => {
  const edges = new Map(files.map((file) => [file, importsOf(file)]));
  const state = new Map<string, "open" | "done">();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (state.get(file) === "done") return;
    if (state.get(file) === "open") {
      circles.push([...path.slice(path.indexOf(file)), file].join(" → "));
      return;
    }
    state.set(file, "open");
    for (const target of edges.get(file) ?? []) visit(target, [...path, file]);
    state.set(file, "done");
  };
  for (const file of files) if (!isTest(file)) visit(file, []);
  assert.deepEqual(circles, []);
});
