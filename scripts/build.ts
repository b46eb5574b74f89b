import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { globSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type BuildOptions, build } from "esbuild";
import { installed, root, run } from "./run.ts";

type Entries = Readonly<Record<string, string>>;

const dist = join(root, "dist");
const library: Entries = {
  build: "src/build.ts",
  dockerfile: "src/dockerfile/index.ts",
  llb: "src/llb/index.ts",
};
/** Started by file name, from whichever bundle. */
const workers: Entries = Object.fromEntries(
  globSync("src/**/*-worker.ts", { cwd: root }).map((file) => [basename(file, ".ts"), file]),
);

const common = {
  absWorkingDir: root,
  outdir: dist,
  bundle: true,
  platform: "node",
  target: "node24",
  external: ["koffi"],
  minify: true,
  legalComments: "none",
  logLevel: "warning",
  write: false,
} as const satisfies BuildOptions;

/**
 * The command line is one file, whose modules are evaluated when they are first needed. It is CommonJS and ends in a
 * comment with the hash of its content, as `bin/compiled.cjs` wants it.
 */
async function bundleCommandLine(): Promise<void> {
  const { outputFiles } = await build({
    ...common,
    entryPoints: { cli: "src/cli/main.ts" },
    format: "cjs",
    supported: { "dynamic-import": false }, // a script that is not loaded as a module has `require` only
    define: { "import.meta.url": "bundleUrl" },
    banner: { js: 'const bundleUrl=require("node:url").pathToFileURL(__filename).href;' },
  });
  const [{ text } = assert.fail("no output")] = outputFiles;
  writeFileSync(join(dist, "cli.cjs"), `${text}//${hash("sha256", text).slice(0, 16)}\n`);
}

/** Bundles `entries`, which share their chunks. */
async function bundle(entries: Entries): Promise<void> {
  const { outputFiles } = await build({
    ...common,
    entryPoints: { ...entries },
    splitting: true,
    format: "esm",
  });
  for (const { path, text } of outputFiles) writeFileSync(path, withPlainBuiltins(text));
}

/**
 * Turns imports of Node's own modules into plain property reads. An `import` of one makes Node read all that it exports,
 * which loads streams and promises behind `node:fs` and opens standard input behind `node:process`.
 */
function withPlainBuiltins(code: string): string {
  return code.replace(
    /\bimport(?: ?\*as ([\w$]+) ?| ?([\w$]+) ?| ?(\{[^}]*\}) ?)from ?"(node:[\w/]+)";/g,
    (_, namespace?: string, whole?: string, names?: string, module?: string) =>
      `const ${namespace ?? whole ?? names?.replace(/([\w$]+) as /g, "$1:")}=process.getBuiltinModule("${module}");`,
  );
}

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
await bundleCommandLine();
await bundle(library);
for (const [name, file] of Object.entries(workers)) await bundle({ [name]: file });
run("declarations", installed("tsc"), ["-p", "tsconfig.declarations.json"]);
const names = ["cli.cjs", ...Object.keys({ ...library, ...workers }).map((name) => `${name}.js`)];
const sizes = names.map((name) => `${name} ${Math.round(statSync(join(dist, name)).size / 1024)} KB`);
process.stdout.write(`dist: ${sizes.join(", ")}\n`);
