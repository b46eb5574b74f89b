import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { adviceRules } from "../advice/index.ts";
import { rules } from "./rules.ts";

const pages = join(import.meta.dirname, "../../../docs/rules");

function pageOf(rule: string): string {
  return `${rule.replace(/(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, "-").toLowerCase()}.md`;
}

test("every check has a page, and every page a check", () => {
  const list = readFileSync(join(pages, "README.md"), "utf8");
  const names = [...Object.keys(rules), ...Object.keys(adviceRules)];
  for (const name of names) {
    assert.ok(existsSync(join(pages, pageOf(name))), name);
    assert.ok(list.includes(`[${name}](${pageOf(name)})`), name);
  }
  const found = [...list.matchAll(/^\| \[(\w+)\]/gm)].map(([, name = ""]) => pageOf(name));
  assert.deepEqual([...found, "README.md"].sort(), readdirSync(pages).sort());
});

test("addresses of BuildKit's pages end like the names of ours", () => {
  for (const [name, rule] of Object.entries(rules))
    if ("page" in rule) assert.equal(`${rule.page}.md`, pageOf(name));
});
