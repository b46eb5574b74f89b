import type { SourceRange } from "../../core/index.ts";
import type { StageInstruction } from "../instructions/types.ts";
import type { InstructionNode } from "../parser/ast.ts";
import type { Fix, FixContext } from "./types.ts";

function instructionsOf({ source }: FixContext): StageInstruction[] {
  return source.stages.flatMap(({ instructions }) => instructions);
}

function isOneLine({ start, end }: SourceRange): boolean {
  return start.line === end.line;
}

/** Casing of a replaced keyword follows the one that stood there. */
function inCasingOf(keyword: string, written: string): string {
  return written === written.toLowerCase() ? keyword.toLowerCase() : keyword;
}

/** `MAINTAINER` as the label that replaces it. */
export function maintainers(context: FixContext): Fix[] {
  const { escape: escapeToken } = context.source.dockerfile;
  return instructionsOf(context).flatMap((instruction) => {
    if (instruction.kind !== "maintainer" || !isOneLine(instruction.range)) return [];
    const label = inCasingOf("LABEL", instruction.name);
    const value = quoted(instruction.maintainer, escapeToken, /["\\`$]/g);
    const text = `${label} org.opencontainers.image.authors=${value}`;
    return {
      rule: "MaintainerDeprecated",
      line: instruction.range.start.line,
      edits: [{ range: instruction.range, text }],
    };
  });
}

function quoted(text: string, escapeToken: string, special: RegExp): string {
  const escaped = text.replace(special, (sign) =>
    sign === "\\" || sign === "`" ? (sign === escapeToken ? sign + sign : sign) : escapeToken + sign,
  );
  return `"${escaped}"`;
}

/** `ENV name value` as `ENV name=value`. */
export function legacyPairs(context: FixContext): Fix[] {
  return instructionsOf(context).flatMap((instruction) => {
    if ((instruction.kind !== "env" && instruction.kind !== "label") || !isOneLine(instruction.range))
      return [];
    if (instruction.node.form !== "pairs-legacy") return [];
    const [name, value] = instruction.node.words;
    const text = pairValue(value!.text);
    if (text === undefined) return [];
    const range = { start: name!.range.end, end: value!.range.end };
    return {
      rule: "LegacyKeyValueFormat",
      line: instruction.range.start.line,
      edits: [{ range, text: `=${text}` }],
    };
  });
}

/** The rest of the line as one word of the same meaning; undefined where quoting it could change that. */
function pairValue(text: string): string | undefined {
  if (!/\s/.test(text)) return text;
  return /["'\\`]/.test(text) ? undefined : `"${text}"`;
}

/** What the shell has a meaning of its own for, or is a part of it. */
const builtins = new Set(
  (
    "alias bg bind break builtin case cd command continue declare do done echo elif else esac eval exec exit export " +
    "false fc fg fi for function getopts hash history if jobs let local printf pushd popd pwd read readonly return set " +
    "shift source suspend test then time times trap true type typeset ulimit umask unalias unset until wait while"
  ).split(" "),
);

/** `CMD` and `ENTRYPOINT` of plain words as JSON arrays. */
export function shellForms(context: FixContext): Fix[] {
  const { stages } = context.source;
  const hasCmd = stages.some(({ instructions }) => instructions.some(({ kind }) => kind === "cmd"));
  return stages.flatMap(({ index, instructions }) =>
    instructions.flatMap((instruction) => {
      if (instruction.kind !== "cmd" && instruction.kind !== "entrypoint") return [];
      // An ENTRYPOINT in shell form takes no notice of CMD, one in JSON form gets it as arguments.
      const safe = instruction.kind === "cmd" ? context.hasNoEntrypoint(index) : !hasCmd;
      const [word] = instruction.node.words;
      if (!safe || !instruction.command.shell || word === undefined || !isOneLine(word.range)) return [];
      const words = plainWords(word.text);
      if (words === undefined) return [];
      const text = `[${words.map((part) => JSON.stringify(part)).join(", ")}]`;
      return {
        rule: "JSONArgsRecommended",
        line: instruction.range.start.line,
        edits: [{ range: word.range, text }],
      };
    }),
  );
}

/** The words of a command that means the same without a shell. */
function plainWords(text: string): string[] | undefined {
  const words = text.trim().split(/[ \t]+/);
  const [program = ""] = words;
  if (!words.every((word) => /^[\w@%+=:,./-]+$/.test(word))) return undefined;
  return program.includes("=") || program === "." || builtins.has(program) ? undefined : words;
}

/** `EXPOSE` words with the protocol in lower case. */
export function exposedProtocols(context: FixContext): Fix[] {
  return exposed(context, "ExposeProtoCasing", (word) => {
    const [, port, protocol] = /^(.*\/)([A-Za-z]+)$/.exec(word) ?? [];
    return protocol === undefined ? undefined : `${port}${protocol.toLowerCase()}`;
  });
}

/** `EXPOSE` words without address and host port. */
export function exposedPorts(context: FixContext): Fix[] {
  return exposed(context, "ExposeInvalidFormat", (word) =>
    word.includes("$") ? undefined : word.slice(word.lastIndexOf(":") + 1),
  );
}

function exposed(context: FixContext, rule: Fix["rule"], mend: (word: string) => string | undefined): Fix[] {
  return instructionsOf(context).flatMap((instruction) => {
    if (instruction.kind !== "expose") return [];
    const edits = instruction.node.words.flatMap(({ text, range }) => {
      const mended = mend(text);
      return mended === undefined || mended === text || !isOneLine(range) ? [] : [{ range, text: mended }];
    });
    return edits.length === 0 ? [] : [{ rule, line: instruction.range.start.line, edits }];
  });
}

/** FROM without the platform that it has anyway. */
export function redundantPlatforms({ source }: FixContext): Fix[] {
  return source.stages.flatMap(({ from }) => {
    const [flag] = from.node.flags;
    const base = from.node.words[0]!;
    if (flag?.name !== "--platform" || flag.range.start.line !== base.range.start.line) return [];
    const range = { start: flag.range.start, end: base.range.start };
    return { rule: "RedundantTargetPlatform", line: from.range.start.line, edits: [{ range, text: "" }] };
  });
}

/** CMD, ENTRYPOINT and HEALTHCHECK that a later one makes useless. */
export function repeated({ source }: FixContext): Fix[] {
  return source.stages.flatMap(({ instructions }) =>
    instructions.flatMap((instruction, index) => {
      const { kind, range, node } = instruction;
      if (kind !== "cmd" && kind !== "entrypoint" && kind !== "healthcheck") return [];
      const again = instructions.slice(index + 1).some((later) => later.kind === kind);
      if (!again || node.comments.length > 0) return [];
      const start = { line: range.start.line, column: 0 };
      const lines = { start, end: { line: range.end.line + 1, column: 0 } };
      return {
        rule: "MultipleInstructionsDisallowed",
        line: range.start.line,
        edits: [{ range: lines, text: "" }],
      };
    }),
  );
}

/** Instructions without blank lines between theirs. */
export function emptyContinuations({ source }: FixContext): Fix[] {
  const lines = source.dockerfile.source.text.split("\n");
  return source.dockerfile.instructions.flatMap((node) => {
    const edits = blankLines(node, lines).map((line) => ({
      range: { start: { line, column: 0 }, end: { line: line + 1, column: 0 } },
      text: "",
    }));
    const own = node.heredocs[0]?.body.start.line ?? node.range.end.line + 1;
    // The check names the line that ends the instruction.
    return edits.length === 0 ? [] : [{ rule: "NoEmptyContinuation", line: own - 1, edits }];
  });
}

function blankLines({ range, heredocs }: InstructionNode, lines: readonly string[]): number[] {
  const end = heredocs[0]?.body.start.line ?? range.end.line;
  const found: number[] = [];
  for (let line = range.start.line + 1; line < end; line++)
    if (lines[line - 1]!.trim() === "") found.push(line);
  return found;
}
