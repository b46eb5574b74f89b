import { BuildError, formatReference, parseReference } from "../core/index.ts";

/** Where a result goes (`-o`). `dest` is a path, or `-` for stdout. Names are normalised. */
export type Output =
  | { readonly type: "image"; readonly names: readonly string[] }
  | { readonly type: "oci"; readonly names: readonly string[]; readonly dest: string; readonly tar: boolean }
  | { readonly type: "docker"; readonly names: readonly string[]; readonly dest: string }
  | { readonly type: "tar"; readonly dest: string }
  | { readonly type: "local"; readonly dest: string };

const types = ["image", "oci", "docker", "tar", "local"] as const;

const known: Readonly<Record<Output["type"], readonly string[]>> = {
  image: ["name"],
  oci: ["name", "dest", "tar"],
  docker: ["name", "dest"],
  tar: ["dest"],
  local: ["dest"],
};

/**
 * Parses the value of `-o` as buildx does: `type=…,dest=…,name=…` in CSV, a lone path for `type=local`, `-` for a tar on
 * stdout. Throws `invalid-argument` for what is not understood, `unimplemented` for outputs that exist elsewhere.
 */
export function parseOutput(text: string): Output {
  const fields = splitCsv(text);
  if (fields.length === 1 && !text.includes("="))
    return text === "-" ? { type: "tar", dest: "-" } : { type: "local", dest: nonEmpty(text, text, "dest") };
  const attributes = new Map<string, string>();
  for (const field of fields) {
    const equals = field.indexOf("=");
    if (equals < 0) throw invalid(text, `${JSON.stringify(field)} is not key=value`);
    attributes.set(field.slice(0, equals).trim().toLowerCase(), field.slice(equals + 1));
  }
  const type = typeOf(attributes.get("type"), text);
  attributes.delete("type");
  for (const key of attributes.keys()) if (!known[type].includes(key)) throw unknownKey(text, type, key);
  return outputOf(type, attributes, text);
}

function outputOf(type: Output["type"], attributes: ReadonlyMap<string, string>, text: string): Output {
  const names = namesOf(attributes.get("name"));
  const dest = attributes.get("dest");
  switch (type) {
    case "image":
      return { type, names };
    case "local":
      return { type, dest: nonEmpty(dest, text, "dest") };
    case "tar":
      return { type, dest: dest || "-" };
    case "docker":
      return { type, names, dest: dest || "-" };
    case "oci": {
      const tar = boolean(attributes.get("tar") ?? "true", text, "tar");
      return { type, names, tar, dest: tar ? dest || "-" : nonEmpty(dest, text, "dest") };
    }
  }
}

function typeOf(type: string | undefined, text: string): Output["type"] {
  const found = types.find((one) => one === type);
  if (found !== undefined) return found;
  if (type === "registry" || type === "cacheonly")
    throw new BuildError("unimplemented", `--output type=${type} is not supported`, {
      hint: `there are ${types.join(", ")}`,
    });
  throw invalid(text, type === undefined ? "type is missing" : `unknown type ${JSON.stringify(type)}`);
}

function unknownKey(text: string, type: Output["type"], key: string): BuildError {
  return new BuildError(
    "unimplemented",
    `--output ${text}: type=${type} does not know ${JSON.stringify(key)}`,
    {
      hint: `it knows ${known[type].join(", ")}`,
    },
  );
}

function namesOf(value: string | undefined): readonly string[] {
  const names = (value ?? "").split(",").filter((name) => name !== "");
  return names.map((name) => formatReference(parseReference(name)));
}

function nonEmpty(value: string | undefined, text: string, key: string): string {
  if (value) return value;
  throw invalid(text, `${key} is missing`);
}

function boolean(value: string, text: string, key: string): boolean {
  if (/^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  throw invalid(text, `${key} is neither true nor false`);
}

function invalid(text: string, problem: string): BuildError {
  return new BuildError("invalid-argument", `--output ${JSON.stringify(text)}: ${problem}`, {
    hint: `write type=TYPE,dest=PATH with one of ${types.join(", ")}, or a directory`,
  });
}

/** Fields of one CSV line: quotes around a whole field let it hold commas (`"name=a,b"`). */
function splitCsv(text: string): readonly string[] {
  const fields: string[] = [];
  for (let at = 0; at <= text.length; ) {
    if (text[at] === '"') {
      const { value, end } = quoted(text, at + 1);
      fields.push(value);
      at = end + 1;
    } else {
      const comma = text.indexOf(",", at);
      const end = comma < 0 ? text.length : comma;
      fields.push(text.slice(at, end));
      at = end + 1;
    }
  }
  return fields;
}

function quoted(text: string, start: number): { value: string; end: number } {
  let value = "";
  for (let at = start; at < text.length; at++) {
    if (text[at] !== '"') value += text[at];
    else if (text[at + 1] === '"') value += text[at++];
    else if (at + 1 === text.length || text[at + 1] === ",") return { value, end: at + 1 };
    else break;
  }
  throw invalid(text, "a quote is not closed");
}
