import { majorityCasing } from "../lint/file-checks.ts";
import type { Flag, Word } from "../parser/ast.ts";
import type { TextEdit } from "../parser/print.ts";
import type { StageSource } from "../stages/types.ts";
import type { Fix, FixContext } from "./types.ts";

/** Instructions in the casing of most; `AS` goes with its FROM. */
export function instructionCasing({ source }: FixContext): Fix[] {
  const lower = majorityCasing(source.stages) === "lowercase";
  const cased = (text: string) => (lower ? text.toLowerCase() : text.toUpperCase());
  return source.stages.flatMap(({ from, instructions }) =>
    [from, ...instructions].flatMap(({ node, kind, range }) => {
      if (node.name.text === cased(node.name.text)) return [];
      const words = kind === "from" && node.words[1] !== undefined ? [node.name, node.words[1]] : [node.name];
      return fix(
        "ConsistentInstructionCasing",
        range.start.line,
        words.map((word) => replaced(word, cased(word.text))),
      );
    }),
  );
}

/** `as` in the casing of its FROM. */
export function asCasing({ source }: FixContext): Fix[] {
  return source.stages.flatMap(({ from }) => {
    const as = from.node.words[1];
    if (as === undefined) return [];
    const lower = from.name === from.name.toLowerCase();
    return fix("FromAsCasing", from.range.start.line, [
      replaced(as, lower ? as.text.toLowerCase() : as.text.toUpperCase()),
    ]);
  });
}

/** Stage names in lower case, where they are given and where they are used. */
export function stageNameCasing({ source }: FixContext): Fix[] {
  return source.stages.flatMap(({ from }) => {
    const name = from.node.words[2];
    if (name === undefined) return [];
    const edits = [name, ...usesOf(name.text, source.stages)].map((word) =>
      replaced(word, name.text.toLowerCase()),
    );
    return fix("StageNameCasing", from.range.start.line, edits);
  });
}

/** Places where a stage is named exactly as `name` is written: bases, `--from` and mounts. */
function usesOf(name: string, stages: readonly StageSource[]): Word[] {
  return stages.flatMap(({ from, instructions }) => {
    const base = from.node.words[0]!;
    const flags = instructions.flatMap(({ node }) => node.flags);
    return [...(base.text === name ? [base] : []), ...flags.flatMap((flag) => partOf(flag, name))];
  });
}

function partOf(flag: Flag, name: string): Word[] {
  const { start, end } = flag.range;
  // Quotes or escapes would put the value elsewhere than it seems.
  if (start.line !== end.line || end.column - start.column !== flag.text.length) return [];
  const at =
    flag.text === `--from=${name}`
      ? "--from=".length
      : flag.name === "--mount"
        ? `${flag.text},`.search(new RegExp(`(?<=[=,]from=)${name.replaceAll(".", "\\.")},`, "i"))
        : -1;
  if (at < 0 || !flag.text.startsWith(name, at)) return [];
  const from = { line: start.line, column: start.column + at };
  return [
    { text: name, range: { start: from, end: { line: start.line, column: from.column + name.length } } },
  ];
}

function replaced({ range }: Word, text: string): TextEdit {
  return { range, text };
}

function fix(rule: Fix["rule"], line: number, edits: readonly TextEdit[]): Fix[] {
  return [{ rule, line, edits }];
}
