import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import type { Command } from "../src/cli/command.ts";
import { commandTable, mainCommands } from "../src/cli/command-table.ts";
import { commandHelp } from "../src/cli/help.ts";
import { parseRegistrySettings } from "../src/config/index.ts";
import { checkout } from "./sandbox.ts";

const pages = globSync(["*.md", "{docs,examples,reference,bench}/**/*.md"], { cwd: checkout }).sort();

function textOf(page: string): string {
  return readFileSync(join(checkout, page), "utf8");
}

/** What Markdown does not show as it is. */
function withoutCode(text: string): string {
  return text.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "");
}

/** The anchors of a page's headings, as Git hosts make them. */
function anchorsOf(text: string): Set<string> {
  const headings = text.replace(/^```[\s\S]*?^```/gm, "").matchAll(/^#+ +(.+)$/gm);
  return new Set(
    [...headings].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

async function commandOf(name: string): Promise<Command> {
  const load = commandTable.get(name);
  assert.ok(load);
  return await load();
}

interface Link {
  /** Relative to the checkout. */
  readonly path: string;
  readonly anchor: string | undefined;
}

function linksOf(page: string): Link[] {
  return [...withoutCode(textOf(page)).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link = ""]) => link)
    .filter((link) => !/^[a-z]+:/.test(link))
    .map((link) => {
      const [path = "", anchor] = link.split("#");
      return { path: path === "" ? page : join(dirname(page), path), anchor };
    });
}

test("links between pages lead somewhere", () => {
  const broken: string[] = [];
  for (const page of pages)
    for (const { path, anchor } of linksOf(page)) {
      const leads = existsSync(join(checkout, path));
      if (!leads || (anchor !== undefined && !anchorsOf(textOf(path)).has(anchor)))
        broken.push(`${page}: ${path}${anchor === undefined ? "" : `#${anchor}`}`);
    }
  assert.ok(pages.length > 10);
  assert.deepEqual(broken, []);
});

test("docs/multi-stage.md names tests that there are", () => {
  const links = [...textOf("docs/multi-stage.md").matchAll(/\[([^\]]+)\]\(\.\.\/([^)]+\.test\.ts)\)/g)];
  const missing = links
    .filter(([, name = "", path = ""]) => {
      const tests = textOf(path).replace(/\btest\(\s+/g, "test(");
      return name !== basename(path) && !tests.includes(`test(${JSON.stringify(name)}`);
    })
    .map(([link]) => link);
  assert.ok(links.length > 50);
  assert.deepEqual(missing, []);
});

test("no page names a source file that is not there", () => {
  const missing: string[] = [];
  for (const page of pages)
    for (const [path] of textOf(page).matchAll(/(?<![\w./-])(?:src|test|scripts|bin)\/[\w./-]*\w/g))
      if (!existsSync(join(checkout, path))) missing.push(`${page}: ${path}`);
  assert.deepEqual(missing, []);
});

test("what ARCHITECTURE.md and the decisions call by name is in the code", () => {
  const sources = globSync("src/**/*.ts", { cwd: checkout }).filter((file) => !file.endsWith(".test.ts"));
  const code = sources.map(textOf).join("\n");
  const described = pages
    .filter((page) => /^(ARCHITECTURE\.md|docs\/adr\/)/.test(page))
    .map(textOf)
    .join("\n");
  const names = [...described.matchAll(/`(?:\w+\.)?([a-z]+[A-Z]\w*)(?:\([^`]*\))?`/g)].map(
    ([, name]) => name!,
  );
  const gone = names.filter((name) => !new RegExp(`\\b${name}\\b`).test(code));
  const places = [...described.matchAll(/`(\w+)`\s+(?:in|of)\s+\[[^\]]+\]\((src\/[^)]+)\)/g)];
  const elsewhere = places.filter(([, name, file]) => !new RegExp(`\\b${name}\\b`).test(textOf(file!)));
  assert.ok(names.length > 10 && places.length > 1);
  assert.deepEqual({ gone, elsewhere: elsewhere.map(([text]) => text) }, { gone: [], elsewhere: [] });
});

test("ARCHITECTURE.md has the import table that is enforced", () => {
  const enforced = [
    ...readFileSync(join(checkout, "src/imports.test.ts"), "utf8").matchAll(/^ {2}(\w+): \[(.*)\],$/gm),
  ].map(([, folder, allowed = ""]) => [folder, allowed.replaceAll('"', "") || "–"].join(": "));
  const written = [...textOf("ARCHITECTURE.md").matchAll(/^\| `(\w+)` \| .* \| (.*) \|$/gm)].map(
    ([, folder, allowed]) => `${folder}: ${allowed}`,
  );
  assert.ok(enforced.length > 15);
  assert.deepEqual(written, enforced);
});

test("docs/commands.md shows the help of every command, word for word", async () => {
  const text = textOf("docs/commands.md");
  for (const name of mainCommands) {
    const help =
      commandHelp(await commandOf(name))
        .split("\nExamples:\n")[0]
        ?.trimEnd() ?? "";
    assert.ok(
      text.includes(`\`\`\`text\n${help}\n\`\`\``),
      `paste what 'stagewright ${name} --help' says:\n${help}`,
    );
  }
});

test("docs/commands.md lists the flags that are refused by name, and the aliases", async () => {
  const text = textOf("docs/commands.md");
  for (const name of mainCommands)
    for (const flag of (await commandOf(name)).flags)
      assert.ok(text.includes(`--${flag.name}`), `${name} --${flag.name}`);
  for (const name of commandTable.keys()) assert.ok(text.includes(`\`${name}\``), name);
});

/** In the repository, and not in the package: pages may point at the code that shows what they say. */
const repositoryOnly = /^(src|test|scripts|reference)(\/|$)/;

test("published pages lead to published pages, or to the code", () => {
  const { files } = JSON.parse(textOf("package.json")) as { files: string[] };
  const isPublished = (path: string) => files.some((entry) => path === entry || path.startsWith(`${entry}/`));
  const missing: string[] = [];
  for (const page of pages.filter(isPublished))
    for (const { path } of linksOf(page))
      if (!isPublished(path) && !repositoryOnly.test(path)) missing.push(`${page}: ${path}`);
  assert.deepEqual(missing, []);
});

/** Fenced blocks of a page, with their language. */
function blocksOf(page: string): { language: string; text: string }[] {
  return [...textOf(page).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = "", text = ""]) => ({
    language,
    text,
  }));
}

function runNode(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: checkout, encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return stdout;
}

test("the plan in docs/commands.md is what the command prints", () => {
  const command = "$ stagewright plan --target stage2 examples/stages\n";
  const shown = blocksOf("docs/commands.md").find(({ text }) => text.startsWith(command));
  assert.equal(
    shown?.text,
    command + runNode("bin/stagewright.cjs", "plan", "--target", "stage2", "examples/stages"),
  );
});

test("the plan in docs/library.md is what its program prints", () => {
  const blocks = blocksOf("docs/library.md");
  const at = blocks.findIndex(({ language, text }) => language === "ts" && text.includes("import { plan }"));
  const program = blocks[at]?.text.replace('"stagewright"', JSON.stringify("./src/build.ts")) ?? "";
  const printed = runNode("--input-type=module-typescript", "--eval", program);
  assert.equal(blocks[at + 1]?.text, printed);
});

test("the registry settings in docs/base-images.md are understood", () => {
  const toml = blocksOf("docs/base-images.md").find(({ language }) => language === "toml")?.text ?? "";
  const settings = parseRegistrySettings(toml, "config.toml", "/etc/stagewright");
  assert.deepEqual(settings["docker.io"]?.mirrors, ["mirror.example.com"]);
  assert.equal(settings["plain.example.com"]?.http, true);
});
