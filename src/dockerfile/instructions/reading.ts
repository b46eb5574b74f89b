import { BuildError, type BuildErrorOptions, type SourceRange } from "../../core/index.ts";
import type { Flag, InstructionNode, SourceText } from "../parser/ast.ts";
import { errorAt } from "../parser/source.ts";
import { didYouMean } from "../suggest.ts";

/** An instruction being read, and the file that its errors point at. */
export interface Reading {
  readonly node: InstructionNode;
  readonly source: SourceText;
  /** Where errors point; also their line. */
  readonly range: SourceRange;
}

/** Throws the error that BuildKit would give for this instruction. */
export function refuse(
  reading: Reading,
  message: string,
  options: Omit<BuildErrorOptions, "details"> & { readonly at?: SourceRange } = {},
): never {
  const { at = reading.range, ...rest } = options;
  const text = `dockerfile parse error on line ${reading.range.start.line}: ${message}`;
  throw errorAt(reading.source, at, "invalid-argument", text, rest);
}

/** Runs `read`; a BuildError of it becomes one that points at `at`. */
export function located<T>(reading: Reading, at: SourceRange, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BuildError) || error.details.source) throw error;
    return refuse(reading, error.message, { at, hint: error.hint, cause: error });
  }
}

/** How often a flag may come, and whether it takes a value. */
export type FlagKind = "bool" | "string" | "strings";

/** The flags that were given, checked against those that exist. */
export interface Flags {
  /** Value of a string flag, `""` when absent. */
  text(name: string): string;
  /** Whether a boolean flag is set; undefined when absent. */
  bool(name: string): boolean | undefined;
  list(name: string): readonly { readonly value: string; readonly range: SourceRange }[];
  range(name: string): SourceRange | undefined;
}

/** Checks an instruction's flags; none are allowed but those in `known`. */
export function readFlags(reading: Reading, known: Readonly<Record<string, FlagKind>> = {}): Flags {
  if (reading.node.flags.length === 0) return noFlags;
  const given = new Map<string, Flag[]>();
  for (const flag of reading.node.flags) {
    const name = flag.name.slice(2);
    const kind = Object.hasOwn(known, name) ? known[name] : undefined;
    if (kind === undefined)
      refuse(reading, `unknown flag: ${flag.name}`, { at: flag.range, hint: flagHint(reading, name, known) });
    const earlier = given.get(name);
    if (earlier && kind !== "strings")
      refuse(reading, `duplicate flag specified: ${flag.name}`, { at: flag.range });
    checkValue(reading, flag, kind);
    if (earlier) earlier.push(flag);
    else given.set(name, [flag]);
  }
  return flagsOf(given);
}

const noFlags = flagsOf(new Map());

function flagsOf(given: ReadonlyMap<string, readonly Flag[]>): Flags {
  const first = (name: string) => given.get(name)?.[0];
  return {
    text: (name) => first(name)?.value ?? "",
    bool: (name) => (first(name) ? (first(name)!.value ?? "true").toLowerCase() === "true" : undefined),
    list: (name) => (given.get(name) ?? []).map(({ value, range }) => ({ value: value ?? "", range })),
    range: (name) => first(name)?.range,
  };
}

function flagHint(reading: Reading, name: string, known: Readonly<Record<string, FlagKind>>): string {
  const near = didYouMean(
    `--${name}`,
    Object.keys(known).map((flag) => `--${flag}`),
  );
  if (near !== undefined) return near;
  const names = Object.keys(known).map((flag) => `--${flag}`);
  return names.length === 0
    ? `${reading.node.keyword} takes no flags`
    : `${reading.node.keyword} takes ${names.join(", ")}`;
}

function checkValue(reading: Reading, flag: Flag, kind: FlagKind): void {
  if (kind !== "bool") {
    if (flag.value === undefined)
      refuse(reading, `missing a value on flag: ${flag.name}`, { at: flag.range });
    return;
  }
  if (flag.value === "") refuse(reading, `missing a value on flag: ${flag.name}`, { at: flag.range });
  if (flag.value !== undefined && !/^(true|false)$/i.test(flag.value))
    refuse(reading, `expecting boolean value for flag ${flag.name}, not: ${flag.value}`, { at: flag.range });
}

/** The only argument. */
export function onlyArgument(reading: Reading): string {
  const { words, keyword } = reading.node;
  if (words.length !== 1) refuse(reading, `${keyword} requires exactly one argument`);
  return words[0]!.text;
}

/** All arguments; there must be one. */
export function someArguments(reading: Reading): readonly string[] {
  const { words, keyword } = reading.node;
  if (words.length === 0) refuse(reading, `${keyword} requires at least one argument`);
  return words.map((word) => word.text);
}

/** The rest of the first comment that begins with `name `. */
export function docComment(comments: readonly string[], name: string): string | undefined {
  return comments.find((comment) => comment.startsWith(`${name} `))?.slice(name.length + 1);
}
