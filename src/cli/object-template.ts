import { BuildError } from "../core/index.ts";

/**
 * Fills a template of Go's kind from an object, as `docker inspect --format` does; `{{.A.B}}`, `{{json .A.B}}` and
 * `{{index .A "b"}}` are understood.
 */
export function fillTemplate(template: string, object: object): string {
  if (/\{\{(?![^{}]*\}\})/.test(template))
    throw new BuildError("invalid-argument", `--format ${JSON.stringify(template)}: {{ without }}`);
  const text = template.replace(/\\t/g, "\t").replace(/\\n/g, "\n");
  return text.replace(/\{\{-?(.*?)-?\}\}/g, (action, inside: string) => {
    const words = inside.trim().match(/"[^"]*"|\S+/g) ?? [];
    const [first = "", path = "", key] = words;
    if (words.length === 1 && isPath(first)) return shown(lookUp(object, first, action));
    if (words.length === 2 && first === "json" && isPath(path))
      return JSON.stringify(lookUp(object, path, action));
    if (words.length === 3 && first === "index" && isPath(path) && key !== undefined)
      return shown(memberOf(lookUp(object, path, action), key.replace(/^"|"$/g, "")) ?? "");
    throw new BuildError("invalid-argument", `--format: ${action} is not understood`, {
      hint: 'there are {{.Field.Field}}, {{json .Field}} and {{index .Field "key"}}',
    });
  });
}

function isPath(word: string): boolean {
  return /^\.([A-Za-z]\w*(\.[A-Za-z]\w*)*)?$/.test(word);
}

function lookUp(object: object, path: string, action: string): unknown {
  let value: unknown = object;
  for (const field of path.split(".").filter((part) => part !== "")) {
    value = memberOf(value, field);
    if (value === undefined)
      throw new BuildError("invalid-argument", `--format: ${action}: there is no ${field}`);
  }
  return value;
}

function memberOf(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<string, unknown>)[key];
}

function shown(value: unknown): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
