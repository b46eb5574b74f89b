/** Variables by name; a `Map` will do. `keys`, where present, serves suggestions. */
export interface Variables {
  get(name: string): string | undefined;
  keys?(): Iterable<string>;
}

/** How words are expanded. Without options as in an instruction: quotes and escapes go, unset variables become empty. */
export interface ExpandOptions {
  /** Escape character, `\` unless the file says otherwise. */
  readonly escape?: "\\" | "`";
  /** Keep quotes in the result. */
  readonly rawQuotes?: boolean;
  /** Keep escape characters in the result. */
  readonly rawEscapes?: boolean;
  /** Treat quotes as ordinary characters (bodies of here-documents). */
  readonly skipQuotes?: boolean;
  /** Leave variables that are not set as they are written. */
  readonly skipUnset?: boolean;
  /** Gets the names that are looked up in vain, also when expansion fails. */
  readonly unmatched?: Set<string>;
}

/** An expanded word. */
export interface Expansion {
  readonly text: string;
  /** Names that were looked up and found. */
  readonly matched: ReadonlySet<string>;
  /** Names that were looked up in vain. */
  readonly unmatched: ReadonlySet<string>;
}
