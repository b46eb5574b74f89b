import { globSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "esbuild";
import { installed, root, run } from "./run.ts";

type Entries = Readonly<Record<string, string>>;

const dist = join(root, "dist");
const commandLine: Entries = { cli: "src/cli/main.ts" };
const library: Entries = {
  build: "src/build.ts",
  dockerfile: "src/dockerfile/index.ts",
  llb: "src/llb/index.ts",
};
/** Started by file name, from whichever bundle. */
const workers: Entries = Object.fromEntries(
  globSync("src/**/*-worker.ts", { cwd: root }).map((file) => [basename(file, ".ts"), file]),
);

/**
 * Bundles `entries`, which share their chunks. What is never loaded together is bundled apart: with each entry that shares
 * a module, the bundler cuts it into more and smaller chunks, and every file costs time at the start.
 */
async function bundle(entries: Entries): Promise<void> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: { ...entries },
    outdir: dist,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    external: ["koffi"],
    minify: true,
    legalComments: "none",
    logLevel: "warning",
    write: false,
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
await bundle(commandLine);
await bundle(library);
for (const [name, file] of Object.entries(workers)) await bundle({ [name]: file });
run("declarations", installed("tsc"), ["-p", "tsconfig.declarations.json"]);
const sizes = Object.keys({ ...commandLine, ...library, ...workers }).map(
  (name) => `${name}.js ${Math.round(statSync(join(dist, `${name}.js`)).size / 1024)} KB`,
);
process.stdout.write(`dist: ${sizes.join(", ")}\n`);
