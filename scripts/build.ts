import { hash } from "node:crypto";
import { globSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { type BuildOptions, build, type OutputFile, transform } from "esbuild";
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
 * The command line is one file: a function for each chunk, so that V8 does not even look into those that a command does not
 * need. It is CommonJS, and ends in a comment with the hash of its content, as `bin/compiled.cjs` wants it.
 */
async function bundleCommandLine(): Promise<void> {
  const { outputFiles } = await build({
    ...common,
    entryPoints: { cli: "src/cli/main.ts" },
    chunkNames: "[hash]",
    splitting: true,
    format: "esm",
    define: { "import.meta.url": "bundle.url" },
  });
  const chunks = await Promise.all(outputFiles.map(chunkFunction));
  const text = `const bundle={get url(){return require("node:url").pathToFileURL(__filename).href}};
const builtins=${JSON.stringify(lateBuiltins(outputFiles))};
const chunks={${chunks.join(",\n")}};
const loaded=new Map();
const late=(name)=>{
let module;
const get=(key)=>({enumerable:true,get:()=>(module??=require(name))[key]});
return Object.defineProperties({},Object.fromEntries(builtins[name].map((key)=>[key,get(key)])))};
const load=(name)=>{
let module=loaded.get(name);
if(module!==undefined)return module.exports;
loaded.set(name,module={exports:{}});
if(Object.hasOwn(chunks,name))chunks[name](module,load);
else module.exports=Object.hasOwn(builtins,name)?late(name):require(name);
return module.exports};
module.exports=load("./cli.js");
`;
  writeFileSync(join(dist, "cli.cjs"), `${text}//${hash("sha256", text).slice(0, 16)}\n`);
}

/**
 * A chunk as a method that takes `module` and `require`. No chunk imports one that imports it, and no export changes after its
 * chunk has been evaluated, so an object of values does for the exports.
 */
async function chunkFunction({ path, text }: OutputFile): Promise<string> {
  const plain = text.replace(/\bexport ?\{([^}]*)\};?\s*$/, (_, names: string) => {
    const exports = names.split(",").map((each) => each.split(" as ").reverse().join(":"));
    return `module.exports={${exports.join(",")}};`;
  });
  const { code } = await transform(plain, {
    format: "cjs",
    minify: true,
    target: common.target,
    platform: common.platform,
    supported: { "dynamic-import": false }, // a script that is not loaded as a module has `require` only
    logOverride: { "commonjs-variable-in-esm": "silent" },
  });
  return `${JSON.stringify(`./${basename(path)}`)}(module,require){${code.trim()}}`;
}

/**
 * Node's own modules that are loaded when something in them is used, with the names of all that they have: many are imported for
 * what few commands do, and some take milliseconds. Those that every start of Node has loaded are not among them.
 */
function lateBuiltins(files: readonly OutputFile[]): Record<string, string[]> {
  const imports = files.flatMap(({ text }) => [...text.matchAll(/\bfrom ?"(node:[\w/]+)"/g)]);
  const names = new Set(imports.map(([, name]) => name!).filter((name) => !/^node:(fs|path)$/.test(name)));
  return Object.fromEntries(
    [...names].map((name) => [name, Object.keys(createRequire(import.meta.url)(name))]),
  );
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
