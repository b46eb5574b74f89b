import type { SourceRange } from "../../core/index.ts";
import { trimSpace } from "../space.ts";
import { readArguments } from "./arguments.ts";
import type {
  ArgumentForm,
  Comment,
  Dockerfile,
  Flag,
  Heredoc,
  InstructionNode,
  ParseWarning,
  SourceText,
  Word,
} from "./ast.ts";
import { detectSyntax, readDirectives } from "./directives.ts";
import { heredocOperators, readHeredoc } from "./heredoc.ts";
import {
  commentOn,
  isComment,
  joinLines,
  type LogicalLine,
  rangeOf,
  type Span,
  wordOf,
} from "./logical-line.ts";
import { decodeSource, endOfLine, errorAt, type Line, lineRange } from "./source.ts";
import { splitInstruction } from "./split.ts";

/**
 * Parses a Dockerfile. Every instruction is split into name, flags, words and here-documents with exact
 * ranges; whether they make sense is not checked here. Throws `invalid-argument` with the place.
 */
export function parseDockerfile(content: Uint8Array | string, name = "Dockerfile"): Dockerfile {
  const { source, lines, badLines } = decodeSource(content, name);
  if (source.text === "") throw errorAt(source, [], "invalid-argument", "the Dockerfile cannot be empty");
  const directives = readDirectives(source, lines);
  const escapeToken = directives.find((directive) => directive.name === "escape")?.value === "`" ? "`" : "\\";
  const comments: Comment[] = [];
  const instructions: InstructionNode[] = [];
  const warnings: ParseWarning[] = [];
  let above: string[] = [];
  for (let index = 0; index < lines.length; ) {
    const line = lines[index]!;
    if (isComment(line.text)) {
      index++;
      if (index <= directives.length) continue;
      const comment = commentOn(line);
      comments.push(comment);
      if (comment.text === "") above = [];
      else above.push(comment.text);
    } else if (trimSpace(line.text) === "") index++;
    else {
      const read = readInstruction({ source, lines, escapeToken, comments, above }, index);
      refuseBadText(source, read.node.range, badLines);
      if (read.emptyLine) warnings.push({ kind: "empty-continuation", range: read.emptyLine });
      instructions.push(read.node);
      index = read.next;
      above = [];
    }
  }
  if (instructions.length === 0)
    throw errorAt(source, lineRange(lines.at(-1)!), "invalid-argument", "file with no instructions", {
      hint: "a Dockerfile begins with FROM",
    });
  const syntax = detectSyntax(lines, source.text);
  return { source, escape: escapeToken, syntax, directives, comments, instructions, warnings };
}

interface Surroundings {
  readonly source: SourceText;
  readonly lines: readonly Line[];
  readonly escapeToken: "\\" | "`";
  readonly comments: Comment[];
  readonly above: readonly string[];
}

interface ReadInstruction {
  readonly node: InstructionNode;
  readonly next: number;
  /** Where to warn of an empty continuation line: BuildKit names the line that ends the instruction. */
  readonly emptyLine: SourceRange | undefined;
}

function readInstruction(around: Surroundings, index: number): ReadInstruction {
  const { source, lines, escapeToken, comments, above } = around;
  const line = joinLines(lines, index, escapeToken, (comment) => comments.push(comment));
  const node = nodeOf(source, line, escapeToken, 0, line.text.length, above);
  const { heredocs, last, next } = readHeredocs(source, lines, line, node);
  node.heredocs = heredocs;
  if (node.trigger !== undefined) node.trigger.heredocs = heredocs;
  node.range = { start: line.range.start, end: endOfLine(last) };
  return { node, next, emptyLine: line.hasEmptyLine ? lineRange(line.last) : undefined };
}

/** A node whose here-documents have yet to be read. */
interface OpenNode extends InstructionNode {
  form: ArgumentForm;
  words: readonly Word[];
  heredocs: readonly Heredoc[];
  range: SourceRange;
  trigger?: OpenNode;
}

/** Reads the instruction in `line.text[start, end)`: the whole line, or what stands behind ONBUILD. */
function nodeOf(
  source: SourceText,
  line: LogicalLine,
  escapeToken: "\\" | "`",
  start: number,
  end: number,
  comments: readonly string[],
): OpenNode {
  const split = splitInstruction(line.text, start, end, escapeToken);
  const keyword = split.name.text.toUpperCase();
  const node: OpenNode = {
    name: wordOf(line, split.name),
    keyword,
    flags: split.flags.map((span) => flagOf(line, span)),
    form: "none",
    words: [],
    heredocs: [],
    line: line.text.slice(start, end),
    rest: wordOf(line, split.rest),
    comments,
    range: start === 0 ? line.range : rangeOf(line, split.name.start, end),
  };
  if (keyword === "ONBUILD" && split.rest.text !== "") {
    if (isOnbuild(split.rest)) throw chainedOnbuild(source, line);
    node.trigger = nodeOf(source, line, escapeToken, split.rest.start, split.rest.end, []);
    return node;
  }
  const read = readArguments(keyword, split.rest, escapeToken);
  if ("problem" in read)
    throw errorAt(source, rangeOf(line, read.at.start, read.at.end), "invalid-argument", read.problem);
  node.form = read.form;
  node.words = read.words.map((span) => wordOf(line, span));
  return node;
}

/** Refused before its trigger is read, because a long chain would go deep. */
function isOnbuild(rest: Span): boolean {
  return /^onbuild(?:[\t\v\f\r ]|$)/i.test(rest.text);
}

function chainedOnbuild(source: SourceText, line: LogicalLine) {
  return errorAt(
    source,
    line.range,
    "invalid-argument",
    `dockerfile parse error on line ${line.first.number}: Chaining ONBUILD via \`ONBUILD ONBUILD\` isn't allowed`,
  );
}

function flagOf(line: LogicalLine, span: Span): Flag {
  const equals = span.text.indexOf("=");
  return {
    name: equals < 0 ? span.text : span.text.slice(0, equals),
    value: equals < 0 ? undefined : span.text.slice(equals + 1),
    text: span.text,
    range: rangeOf(line, span.start, span.end),
  };
}

const withHeredocs: ReadonlySet<string> = new Set(["ADD", "COPY", "RUN"]);

function readHeredocs(
  source: SourceText,
  lines: readonly Line[],
  line: LogicalLine,
  node: InstructionNode,
): { heredocs: Heredoc[]; last: Line; next: number } {
  const owner = node.trigger ?? node;
  const heredocs: Heredoc[] = [];
  let last = line.last;
  let next = last.number;
  if (!withHeredocs.has(owner.keyword) || owner.form === "json") return { heredocs, last, next };
  for (const operator of heredocOperators(line)) {
    const read = readHeredoc(lines, next, operator);
    if (read === undefined)
      throw errorAt(source, operator.operator, "invalid-argument", "unterminated heredoc", {
        hint: `no line consists of ${operator.name} alone${operator.chomp ? "" : "; use <<- when it is indented by tabs"}`,
      });
    heredocs.push(read.heredoc);
    last = read.terminator;
    next = read.next;
  }
  return { heredocs, last, next };
}

/** Comments may hold any bytes; what becomes part of the image must be text. */
function refuseBadText(source: SourceText, range: SourceRange, badLines: ReadonlySet<number>): void {
  if (badLines.size === 0) return;
  for (let number = range.start.line; number <= range.end.line; number++) {
    if (!badLines.has(number)) continue;
    throw errorAt(source, range, "invalid-argument", `line ${number} is not valid UTF-8`, {
      hint: "save the Dockerfile as UTF-8",
    });
  }
}
