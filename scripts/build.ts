import { globSync, mkdirSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "esbuild";
import { installed, root, run } from "./run.ts";

/** What outsiders load: the command line, the library's entries, and the workers, which are started by file name. */
const entries: Record<string, string> = {
  cli: "src/cli/main.ts",
  build: "src/build.ts",
  dockerfile: "src/dockerfile/index.ts",
  llb: "src/llb/index.ts",
};
for (const worker of globSync("src/**/*-worker.ts", { cwd: root })) entries[basename(worker, ".ts")] = worker;

const dist = join(root, "dist");
rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
await build({
  absWorkingDir: root,
  entryPoints: entries,
  outdir: dist,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node24",
  external: ["koffi"],
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: "none",
  logLevel: "warning",
});
run("declarations", installed("tsc"), ["-p", "tsconfig.declarations.json"]);
const sizes = Object.keys(entries).map(
  (name) => `${name}.js ${Math.round(statSync(join(dist, `${name}.js`)).size / 1024)} KB`,
);
process.stdout.write(`dist: ${sizes.join(", ")}\n`);
