import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { buildFlags } from "../src/cli/commands/build-flags.ts";
import { BuildError } from "../src/core/index.ts";
import { parseDockerfile, readStages, rules } from "../src/dockerfile/index.ts";
import { checkout } from "./sandbox.ts";

/** docs/compatibility.md has a row for everything that the code knows, and every row names what shows it. */

const page = "docs/compatibility.md";
const text = readFileSync(join(checkout, page), "utf8");

interface Row {
  readonly line: string;
  /** What is in backticks in the first cell. */
  readonly names: readonly string[];
}

/** Rows of the tables below a heading. */
function rowsBelow(heading: string): Row[] {
  const start = text.indexOf(`\n${heading}\n`);
  assert.ok(start >= 0, heading);
  const level = heading.indexOf(" ");
  const rest = text.slice(start + heading.length + 2);
  const end = rest.search(new RegExp(`^#{1,${level}} `, "m"));
  return (end < 0 ? rest : rest.slice(0, end))
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| |"))
    .map((line) => ({
      line,
      names: [...line.split(" | ")[0]!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!),
    }));
}

function missing(heading: string, names: readonly string[]): string[] {
  const there = new Set(rowsBelow(heading).flatMap((row) => row.names));
  return names.filter((name) => !there.has(name));
}

/** The flags that an instruction takes, as the refusal of another one lists them. */
function flagsOf(instruction: string): string[] {
  try {
    readStages(parseDockerfile(`FROM scratch\n${instruction} --no-such-flag-anywhere=x y z\n`));
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    return [...(error.hint ?? "").matchAll(/--[a-z-]+/g)].map(([flag]) => `${instruction} ${flag}`);
  }
  return assert.fail(`${instruction} takes any flag`);
}

const flagged = ["FROM", "RUN", "COPY", "ADD", "HEALTHCHECK"];
const plain = [
  "ARG",
  "ENV",
  "LABEL",
  "MAINTAINER",
  "WORKDIR",
  "USER",
  "EXPOSE",
  "VOLUME",
  "CMD",
  "ENTRYPOINT",
];
const instructions = [...flagged, ...plain, "SHELL", "STOPSIGNAL", "ONBUILD"];

test("every instruction and every flag of one has a row", () => {
  const flags = flagged.flatMap(flagsOf);
  assert.ok(flags.length > 20 && flags.includes("COPY --parents"), flags.join());
  assert.deepEqual(missing("### Instructions and their flags", [...instructions, ...flags]), []);
  assert.deepEqual(plain.filter((name) => name !== "CMD" && name !== "ENTRYPOINT").flatMap(flagsOf), []);
});

test("every option of a mount has a row", () => {
  const types = ["bind", "cache", "tmpfs", "secret", "ssh"].map((type) => `type=${type}`);
  const source = readFileSync(join(checkout, "src/dockerfile/instructions/mounts.ts"), "utf8");
  const list = /const mountKeys = \[([\s\S]*?)\n\];/.exec(source)?.[1] ?? "";
  const keys = [...list.matchAll(/"(\w+)"/g)].map(([, key]) => key!).filter((key) => key !== "type");
  assert.ok(keys.length > 10);
  assert.deepEqual(missing("### Options of `RUN --mount`", [...types, ...keys]), []);
});

test("every check, every flag of build and every directive has a row", () => {
  assert.deepEqual(missing("### Checks", Object.keys(rules)), []);
  assert.deepEqual(
    missing(
      "## Build flags",
      buildFlags.map(({ name }) => `--${name}`),
    ),
    [],
  );
  assert.deepEqual(missing("### Directives", ["# syntax", "# escape", "# check"]), []);
});

test("every row names a test or a case that is there", () => {
  const tables = ["## Dockerfile", "## Build flags", "## Commands", "## Contexts and outputs"];
  const wrong = tables
    .flatMap(rowsBelow)
    .filter(({ line }) => {
      const links = [...line.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link!);
      const shown = links.filter((link) => /\.test\.ts$|reference\/cases/.test(link));
      return shown.length === 0 || !shown.every((link) => existsSync(join(checkout, dirname(page), link)));
    })
    .map(({ line }) => line);
  assert.deepEqual(wrong, []);
});
