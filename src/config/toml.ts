import { BuildError } from "../core/index.ts";

export type TomlValue = string | number | boolean | readonly TomlValue[] | TomlTable;
export interface TomlTable {
  [key: string]: TomlValue;
}

/**
 * Reads the part of TOML that configuration files of this kind use: tables, arrays of tables, dotted and quoted keys,
 * strings on one line, integers, booleans, arrays, inline tables, comments. Multi-line strings, dates and
 * fractions are refused by name. Throws `invalid-argument` with file and line.
 */
export function parseToml(text: string, file: string): TomlTable {
  const root = newTable();
  const defined = new Set<TomlTable>();
  const reader = createReader(text, file);
  let current = root;
  for (;;) {
    reader.skipBlank();
    if (reader.atEnd()) return root;
    if (reader.take("[[")) {
      const path = reader.key();
      reader.expect("]]");
      current = appendTable(root, path, reader.fail);
    } else if (reader.take("[")) {
      const path = reader.key();
      reader.expect("]");
      current = tableAt(root, path, reader.fail);
      if (defined.has(current)) throw reader.fail(`table [${path.join(".")}] is defined twice`);
      defined.add(current);
    } else assign(current, reader);
    reader.endOfLine();
  }
}

/** Without a prototype: `__proto__` is a key like any other. */
function newTable(): TomlTable {
  return Object.create(null) as TomlTable;
}

type Fail = (message: string) => BuildError;

function isTable(value: TomlValue | undefined): value is TomlTable {
  return typeof value === "object" && !Array.isArray(value);
}

/** The table at a path, made where it is missing; of an array of tables, its last. */
function tableAt(root: TomlTable, path: readonly string[], fail: Fail): TomlTable {
  let table = root;
  for (const name of path) {
    const found = table[name];
    const next = Array.isArray(found) ? (found.at(-1) as TomlValue | undefined) : found;
    if (next === undefined) {
      const fresh = newTable();
      table[name] = fresh;
      table = fresh;
    } else if (isTable(next)) table = next;
    else throw fail(`${name} is a value, not a table`);
  }
  return table;
}

function appendTable(root: TomlTable, path: readonly string[], fail: Fail): TomlTable {
  const parent = tableAt(root, path.slice(0, -1), fail);
  const name = path.at(-1)!;
  const list = parent[name] ?? [];
  if (!Array.isArray(list) || !list.every(isTable)) throw fail(`${name} is not an array of tables`);
  const fresh = newTable();
  parent[name] = [...list, fresh];
  return fresh;
}

function assign(table: TomlTable, reader: Reader): void {
  const path = reader.key();
  reader.expect("=");
  const value = reader.value();
  const parent = tableAt(table, path.slice(0, -1), reader.fail);
  const name = path.at(-1)!;
  if (parent[name] !== undefined) throw reader.fail(`${path.join(".")} is set twice`);
  parent[name] = value;
}

interface Reader {
  atEnd(): boolean;
  /** Skips spaces, line ends and comments. */
  skipBlank(): void;
  take(token: string): boolean;
  expect(token: string): void;
  endOfLine(): void;
  key(): string[];
  value(): TomlValue;
  readonly fail: Fail;
}

/** Deeper nesting of arrays than any configuration has. */
const maxDepth = 32;

function createReader(text: string, file: string): Reader {
  let at = 0;
  let depth = 0;
  const fail: Fail = (message) => {
    const line = text.slice(0, at).split("\n").length;
    return new BuildError("invalid-argument", `${file}:${line}: ${message}`);
  };
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  const skipSpace = (): void => void match(/[ \t]*/y);
  const skipBlank = (): void => void match(/(?:[ \t\r\n]|#[^\n]*)*/y);
  const take = (token: string): boolean => {
    skipSpace();
    if (!text.startsWith(token, at)) return false;
    at += token.length;
    return true;
  };
  const expect = (token: string): void => {
    if (!take(token)) throw fail(`expected ${JSON.stringify(token)}`);
  };

  const string = (): string | undefined => {
    if (/^("""|''')/.test(text.slice(at, at + 3))) throw fail("multi-line strings are not supported");
    const literal = match(/'[^'\n]*'/y);
    if (literal !== undefined) return literal.slice(1, -1);
    const basic = match(/"(?:[^"\\\n]|\\.)*"/y);
    if (basic === undefined) return undefined;
    return basic.slice(1, -1).replace(/\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)/g, (_, sequence: string) => {
      const simple = { b: "\b", t: "\t", n: "\n", f: "\f", r: "\r", '"': '"', "\\": "\\" }[sequence];
      if (simple !== undefined) return simple;
      const point = /^[uU]./.test(sequence) ? Number.parseInt(sequence.slice(1), 16) : Number.NaN;
      if (!(point <= 0x10ffff)) throw fail(`unknown escape \\${sequence}`);
      return String.fromCodePoint(point);
    });
  };

  const key = (): string[] => {
    const path: string[] = [];
    do {
      skipSpace();
      const part = match(/[A-Za-z0-9_-]+/y) ?? string();
      if (part === undefined) throw fail("expected a key");
      path.push(part);
    } while (take("."));
    return path;
  };

  const items = <T>(close: string, item: () => T): void => {
    if (++depth > maxDepth) throw fail("nested too deeply");
    for (skipBlank(); !take(close); skipBlank()) {
      item();
      skipBlank();
      if (take(",")) continue;
      expect(close);
      break;
    }
    depth--;
  };

  const value = (): TomlValue => {
    skipSpace();
    const quoted = string();
    if (quoted !== undefined) return quoted;
    if (take("[")) {
      const list: TomlValue[] = [];
      items("]", () => list.push(value()));
      return list;
    }
    if (take("{")) {
      const table = newTable();
      items("}", () => assign(table, reader));
      return table;
    }
    const word = match(/[^\s,#\]}]+/y) ?? "";
    if (word === "true" || word === "false") return word === "true";
    if (/^[+-]?(0|[1-9](_?\d)*)$/.test(word)) return Number(word.replaceAll("_", ""));
    throw fail(word === "" ? "expected a value" : `value ${word} is not supported`);
  };

  const reader: Reader = {
    atEnd: () => at >= text.length,
    skipBlank,
    take,
    expect,
    endOfLine() {
      skipSpace();
      if (match(/(?:#[^\n]*)?(?:\r?\n|$)/y) === undefined) throw fail("expected the end of the line");
    },
    key,
    value,
    fail,
  };
  return reader;
}
