import { leadingSpaces } from "../space.ts";
import type { Directive, SourceText, Syntax } from "./ast.ts";
import { errorAt, type Line, lineRange, withoutLineEnd } from "./source.ts";

const names: ReadonlySet<string> = new Set(["syntax", "escape", "check"]);
const form = /^([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;

/**
 * Parser directives: comments of the form `name=value` at the very top. The first line that is none ends
 * them, a blank line or an unknown name included; from there on they are plain comments.
 */
export function readDirectives(source: SourceText, lines: readonly Line[]): Directive[] {
  const found: Directive[] = [];
  for (const line of lines) {
    const directive = directiveOn(line, "#");
    if (directive === undefined) break;
    const earlier = found.find(({ name }) => name === directive.name);
    if (earlier !== undefined)
      throw errorAt(
        source,
        [earlier.range, directive.range],
        "invalid-argument",
        `only one ${directive.name} parser directive can be used`,
      );
    if (directive.name === "escape" && directive.value !== "\\" && directive.value !== "`")
      throw errorAt(
        source,
        directive.range,
        "invalid-argument",
        `invalid escape token '${directive.value}' does not match \` or \\`,
      );
    found.push(directive);
  }
  return found;
}

function directiveOn(line: Line, marker: string): Directive | undefined {
  const text = withoutLineEnd(line.text);
  const start = leadingSpaces(text);
  if (!text.startsWith(marker, start)) return undefined;
  const body = text.slice(start + marker.length);
  const match = form.exec(body.slice(leadingSpaces(body)));
  const name = match?.[1]?.toLowerCase();
  if (name === undefined || !names.has(name)) return undefined;
  const { end } = lineRange(line);
  return {
    name: name as Directive["name"],
    value: match![2]!,
    range: { start: { line: line.number, column: start }, end },
  };
}

/**
 * The frontend that a build file asks for: `# syntax=…`, for files of other languages also `// syntax=…`
 * or a JSON object with a `syntax` member; a `#!` line may come first.
 */
export function detectSyntax(lines: readonly Line[], text: string): Syntax | undefined {
  const first = lines[0]?.text.startsWith("#!") ? 1 : 0;
  for (const marker of ["#", "//"])
    for (let index = first; index < lines.length; index++) {
      const directive = directiveOn(lines[index]!, marker);
      if (directive === undefined) break;
      if (directive.name === "syntax") return { ref: firstWord(directive.value), range: directive.range };
    }
  const ref = syntaxMember(text);
  return ref === undefined ? undefined : { ref, range: undefined };
}

function syntaxMember(text: string): string | undefined {
  if (text[leadingSpaces(text)] !== "{") return undefined;
  try {
    const value: unknown = JSON.parse(text);
    const syntax = value instanceof Object && "syntax" in value ? value.syntax : undefined;
    return typeof syntax === "string" ? syntax : undefined;
  } catch {
    return undefined;
  }
}

function firstWord(value: string): string {
  return value.split(" ", 1)[0]!;
}
