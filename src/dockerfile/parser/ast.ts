import type { SourceRange } from "../../core/index.ts";

/** The text that was parsed. Ranges refer to `text`, which is without byte order mark. */
export interface SourceText {
  /** Name of the file as the user gave it. */
  readonly name: string;
  readonly text: string;
  /** Whether the file began with a byte order mark. */
  readonly bom: boolean;
}

/** `# syntax=…`, `# escape=…` or `# check=…` at the top of the file. */
export interface Directive {
  readonly name: "syntax" | "escape" | "check";
  readonly value: string;
  /** From `#` to the end of the line. */
  readonly range: SourceRange;
}

/** The frontend that a file asks for. */
export interface Syntax {
  /** The value up to its first space: a reference of an image. */
  readonly ref: string;
  /** Where it is asked for; undefined for a file that is a JSON object. */
  readonly range: SourceRange | undefined;
}

/** A comment on a line of its own, at any place, also between the lines of one instruction. */
export interface Comment {
  /** Without `#` and surrounding white space. */
  readonly text: string;
  readonly range: SourceRange;
}

/** A piece of an instruction. `text` is what the source means at this level: quotes and variables are kept. */
export interface Word {
  readonly text: string;
  readonly range: SourceRange;
}

/** `--name` or `--name=value`, quotes and escapes removed. */
export interface Flag {
  /** With the dashes. */
  readonly name: string;
  readonly value: string | undefined;
  readonly text: string;
  readonly range: SourceRange;
}

/** A here-document of a RUN, COPY or ADD. */
export interface Heredoc {
  /** Delimiter without quotes. */
  readonly name: string;
  /** Whether variables in it are expanded: its delimiter was not quoted. */
  readonly expand: boolean;
  /** `<<-`: leading tabs of each line are to be removed (they are still in `content`). */
  readonly chomp: boolean;
  /** The number before `<<`, 0 when there is none. */
  readonly fileDescriptor: number;
  /** Lines with their line ends, as written. */
  readonly content: string;
  /** `<<EOF` in the instruction. */
  readonly operator: SourceRange;
  /** The lines between; ends at the start of the terminator's line. */
  readonly body: SourceRange;
  /** The terminator's line, without its line end. */
  readonly terminator: SourceRange;
}

/** How the arguments were written. */
export type ArgumentForm = "words" | "json" | "text" | "pairs" | "pairs-legacy" | "none";

/** One instruction of the file, its arguments split but not yet checked. */
export interface InstructionNode {
  /** The instruction's name as written. */
  readonly name: Word;
  /** The name in upper case. */
  readonly keyword: string;
  readonly flags: readonly Flag[];
  readonly form: ArgumentForm;
  /**
   * The arguments. `text` has one word, all of it; `json` the array's strings; `pairs` one `name=value` each;
   * `pairs-legacy` (`ENV name value`) two.
   */
  readonly words: readonly Word[];
  readonly heredocs: readonly Heredoc[];
  /** The instruction behind ONBUILD. */
  readonly trigger?: InstructionNode;
  /** Continuation lines joined, comments left out, here-documents not included. */
  readonly line: string;
  /** Everything behind name and flags, trimmed. */
  readonly rest: Word;
  /** Comments right before it, the first line first; an empty comment separates. */
  readonly comments: readonly string[];
  /** From the name to the end of the last line, here-documents included, without the line end. */
  readonly range: SourceRange;
}

/** Something odd that the parser accepts. */
export interface ParseWarning {
  readonly kind: "empty-continuation";
  readonly range: SourceRange;
}

/** A parsed Dockerfile. */
export interface Dockerfile {
  readonly source: SourceText;
  /** Escapes characters and continues lines. */
  readonly escape: "\\" | "`";
  readonly syntax: Syntax | undefined;
  readonly directives: readonly Directive[];
  readonly comments: readonly Comment[];
  readonly instructions: readonly InstructionNode[];
  readonly warnings: readonly ParseWarning[];
}
