import { BuildError } from "../core/index.ts";
import { textTable } from "./text-table.ts";

/** A row of a list by the field names that docker's `--format` has (`Repository`, `ID`). */
export type Row<K extends string = string> = Readonly<Record<K, string>>;

/**
 * Rows as `--format` wants them: `json`, `table` with a template, or a template of Go's kind, of which fields
 * (`{{.ID}}`) and `{{json .}}` are understood.
 *
 * @param titles the fields that there are, with their column titles
 */
export function formatRows<K extends string>(
  format: string,
  titles: Readonly<Record<K, string>>,
  rows: readonly Row<K>[],
): string {
  const fields = new Map<string, string>(Object.entries<string>(titles));
  const lines = (template: string) => rows.map((row) => `${fill(template, row, fields)}\n`).join("");
  if (format === "json") return lines("{{json .}}");
  if (format !== "table" && !format.startsWith("table ")) return lines(unescaped(format));
  const chosen = unescaped(format.slice("table".length).trim());
  const columns = (chosen === "" ? [...fields.keys()].map((key) => `{{.${key}}}`) : chosen.split("\t")).map(
    (column) => column.trim(),
  );
  return textTable(
    columns.map((column) => fill(column, Object.fromEntries(fields), fields)),
    rows.map((row) => columns.map((column) => fill(column, row, fields))),
  );
}

/** What docker unescapes before it reads a template. */
function unescaped(format: string): string {
  return format.replace(/\\t/g, "\t").replace(/\\n/g, "\n");
}

function fill(template: string, row: Row, fields: ReadonlyMap<string, string>): string {
  return template.replace(/\{\{(.*?)\}\}/g, (action, inside: string) => {
    const words = inside.trim().replace(/^-|-$/g, "").trim().split(/\s+/);
    const [first = "", second] = words;
    if (words.length === 2 && first === "json")
      return JSON.stringify(second === "." ? row : fieldOf(second, row, fields, action));
    if (words.length !== 1) throw unknown(action, fields);
    return fieldOf(first, row, fields, action);
  });
}

function fieldOf(
  word: string | undefined,
  row: Row,
  fields: ReadonlyMap<string, string>,
  action: string,
): string {
  const name = word?.startsWith(".") ? word.slice(1) : "";
  if (!fields.has(name)) throw unknown(action, fields);
  return row[name] ?? "";
}

function unknown(action: string, fields: ReadonlyMap<string, string>): BuildError {
  return new BuildError("invalid-argument", `--format: ${action} is not understood`, {
    hint: `there are ${[...fields.keys()].map((name) => `{{.${name}}}`).join(", ")} and {{json .}}`,
  });
}
