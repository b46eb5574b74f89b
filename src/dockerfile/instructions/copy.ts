import type { Heredoc } from "../parser/ast.ts";
import { chompTabs, parseHeredocOperator } from "../parser/heredoc.ts";
import { type FlagKind, type Flags, type Reading, readFlags, refuse } from "./reading.ts";
import type { AddInstruction, CopyInstruction, CopySpec, SourceContent } from "./types.ts";

type Body<T> = Omit<T, "kind" | "node" | "name" | "code" | "range">;

const commonFlags = { chown: "string", chmod: "string", link: "bool", exclude: "strings" } as const;
const copyFlags: Record<string, FlagKind> = { ...commonFlags, from: "string", parents: "bool" };
const addFlags: Record<string, FlagKind> = {
  ...commonFlags,
  "keep-git-dir": "bool",
  checksum: "string",
  unpack: "bool",
};

export function readCopy(reading: Reading): Body<CopyInstruction> {
  const paths = readPaths(reading);
  const flags = readFlags(reading, copyFlags);
  const from = flags.text("from");
  const fromRange = flags.range("from");
  return {
    ...paths,
    ...readCommon(flags),
    parents: flags.bool("parents") ?? false,
    ...(from === "" || fromRange === undefined ? {} : { from, fromRange }),
  };
}

export function readAdd(reading: Reading): Body<AddInstruction> {
  const paths = readPaths(reading);
  const flags = readFlags(reading, addFlags);
  const keepGitDir = flags.bool("keep-git-dir");
  const unpack = flags.bool("unpack");
  return {
    ...paths,
    ...readCommon(flags),
    checksum: flags.text("checksum"),
    ...(keepGitDir === undefined ? {} : { keepGitDir }),
    ...(unpack === undefined ? {} : { unpack }),
  };
}

function readCommon(flags: Flags): Pick<CopySpec, "chown" | "chmod" | "link" | "exclude"> {
  return {
    chown: flags.text("chown"),
    chmod: flags.text("chmod"),
    link: flags.bool("link") ?? false,
    exclude: flags.list("exclude").map((flag) => flag.value),
  };
}

/** Sources, here-documents among them, and the destination, which comes last. */
function readPaths(reading: Reading): Pick<CopySpec, "sources" | "contents" | "destination"> {
  const { words, heredocs, keyword } = reading.node;
  const destination = words.at(-1);
  if (destination === undefined || words.length < 2)
    refuse(
      reading,
      `${keyword} requires at least two arguments, but only one was provided. Destination could not be determined`,
    );
  if (parseHeredocOperator(destination.text) !== undefined)
    refuse(reading, `${keyword} cannot accept a heredoc as a destination`, { at: destination.range });
  const sources: string[] = [];
  const contents: SourceContent[] = [];
  for (const { text } of words.slice(0, -1)) {
    const operator = parseHeredocOperator(text);
    if (operator === undefined) sources.push(text);
    else contents.push(contentOf(operator.name, operator.expand, heredocs));
  }
  return { sources, contents, destination: destination.text };
}

/** Of here-documents with the same delimiter the last counts, for all of them, as in BuildKit. */
function contentOf(name: string, expand: boolean, heredocs: readonly Heredoc[]): SourceContent {
  const heredoc = heredocs.findLast((candidate) => candidate.name === name);
  const content = heredoc?.content ?? "";
  return { path: name, data: heredoc?.chomp ? chompTabs(content) : content, expand };
}
