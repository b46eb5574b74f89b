import { BuildError, csvFields, goText, parseSize } from "../../core/index.ts";
import { didYouMean } from "../suggest.ts";
import type { Device, Mount, MountFlag, MountSharing, MountType } from "./types.ts";

const mountTypes: readonly MountType[] = ["bind", "cache", "tmpfs", "secret", "ssh"];
const sharingModes: readonly MountSharing[] = ["shared", "private", "locked"];
const mountKeys = [
  ...["type", "from", "source", "src", "target", "dst", "destination", "readonly", "ro", "readwrite", "rw"],
  ...["id", "sharing", "required", "size", "mode", "uid", "gid", "env"],
];

/** A mount while its fields are read. */
type Draft = { -readonly [K in keyof Mount]: Mount[K] } & { readOnlyGiven: boolean };

function invalid(message: string, hint?: string | undefined): never {
  throw new BuildError("invalid-argument", message, { hint });
}

function fieldsOf(text: string, what: string): string[] {
  try {
    if (text === "") invalid("EOF", "the flag has no value");
    return csvFields(text);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    return invalid(`failed to parse csv ${what}: ${error.message}`, error.hint);
  }
}

/**
 * The `from` of a `--mount`, which must be known before anything is expanded. Throws when it holds a variable.
 */
export function mountSource(text: string): string | undefined {
  let from: string | undefined;
  for (const field of fieldsOf(text, "mounts")) {
    const equals = field.indexOf("=");
    if (equals < 0 || field.slice(0, equals).toLowerCase() !== "from") continue;
    from = field.slice(equals + 1);
    const dollar = from.indexOf("$");
    if (dollar !== -1 && dollar !== from.length - 1)
      invalid("'from' doesn't support variable expansion, define alias stage instead");
  }
  return from;
}

/**
 * Reads a `--mount` whose values are expanded by `expand`. Throws `invalid-argument` without a place: the
 * caller knows it.
 */
export function resolveMount(flag: Pick<MountFlag, "text">, expand: (word: string) => string): Mount {
  const draft: Draft = {
    type: "bind",
    from: "",
    source: "",
    target: "",
    readOnly: false,
    readOnlyGiven: false,
    size: 0,
    id: "",
    required: false,
  };
  for (const field of fieldsOf(flag.text, "mounts")) {
    const equals = field.indexOf("=");
    if (equals < 0) setBare(draft, field);
    else setField(draft, field.slice(0, equals).toLowerCase(), expand(field.slice(equals + 1)), field);
  }
  checkMount(draft);
  const { readOnlyGiven, ...mount } = draft;
  if (!readOnlyGiven) mount.readOnly = mount.type !== "cache" && mount.type !== "tmpfs";
  return mount;
}

/** A field without `=`: a boolean that is set. */
function setBare(draft: Draft, field: string): void {
  const key = field.toLowerCase();
  const known = ["readonly", "ro", "readwrite", "rw", "required"].includes(key);
  if (!known) invalid(`invalid field '${field}' must be a key=value pair`);
  setField(draft, key, "true", field);
}

function setField(draft: Draft, key: string, value: string, field: string): void {
  switch (key) {
    case "type":
      draft.type = oneOf(value, mountTypes, "unsupported mount type");
      break;
    case "from":
      draft.from = value;
      break;
    case "source":
    case "src":
      draft.source = value;
      break;
    case "target":
    case "dst":
    case "destination":
      draft.target = value;
      break;
    case "readonly":
    case "ro":
    case "readwrite":
    case "rw":
      draft.readOnly = boolean(key, value) === (key === "readonly" || key === "ro");
      draft.readOnlyGiven = true;
      break;
    case "required":
      onlyFor(draft, key, ["secret", "ssh"]);
      draft.required = boolean(key, value);
      break;
    case "size":
      onlyFor(draft, key, ["tmpfs"]);
      draft.size = parseSize(value) ?? invalid(`invalid value for ${key}: ${value}`);
      break;
    case "id":
      draft.id = value;
      break;
    case "sharing":
      draft.sharing = oneOf(value, sharingModes, "unsupported sharing value");
      break;
    case "mode":
      draft.mode = unsigned(key, value, 8);
      break;
    case "uid":
    case "gid":
      draft[key] = unsigned(key, value, 10);
      break;
    case "env":
      draft.env = value;
      break;
    default:
      invalid(`unexpected key '${key}' in '${field}'`, didYouMean(key, mountKeys));
  }
}

function oneOf<T extends string>(value: string, options: readonly T[], problem: string): T {
  const found = options.find((option) => option === value.toLowerCase());
  return (
    found ??
    invalid(
      `${problem} ${JSON.stringify(value)}`,
      didYouMean(value, options) ?? `one of ${options.join(", ")}`,
    )
  );
}

function boolean(key: string, value: string): boolean {
  return goText.parseBool(value) ?? invalid(`invalid value for ${key}: ${value}`);
}

function unsigned(key: string, value: string, base: 8 | 10): number {
  const number = (base === 8 ? /^[0-7]+$/ : /^\d+$/).test(value) ? Number.parseInt(value, base) : Number.NaN;
  return number <= 0xffffffff ? number : invalid(`invalid value ${value} for ${key}`);
}

function onlyFor(draft: Draft, key: string, types: readonly MountType[]): void {
  if (!types.includes(draft.type)) invalid(`unexpected key '${key}' for mount type '${draft.type}'`);
}

function checkMount(draft: Draft): void {
  const { type } = draft;
  if (type === "bind" || type === "tmpfs")
    for (const key of ["mode", "uid", "gid"] as const)
      if (draft[key] !== undefined) invalid(`${key} not allowed for ${JSON.stringify(type)} type mounts`);
  if (type === "secret") {
    if (draft.from !== "") invalid("secret mount should not have a from");
    if (draft.sharing !== undefined) invalid("secret mount should not define sharing");
    if (draft.source === "" && draft.target === "" && draft.id === "")
      invalid("invalid secret mount. one of source, target required");
    if (draft.source !== "" && draft.id !== "") invalid("both source and id can't be set");
  }
  if (draft.sharing !== undefined && type !== "cache") invalid(`invalid cache sharing set for ${type} mount`);
}

/** Reads a `--device`: a name, or `name=…`, and `required`. */
export function parseDevice(text: string): Device {
  let name = "";
  let required = false;
  for (const field of fieldsOf(text, "devices")) {
    const equals = field.indexOf("=");
    const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
    const value = equals < 0 ? undefined : field.slice(equals + 1);
    if (key === "required") required = value === undefined || boolean(key, value);
    else if (key === "name" && value !== undefined) {
      if (name !== "") invalid(`device name already set to ${name}`);
      name = value;
    } else if (name === "") name = field;
    else if (value === undefined) invalid(`invalid field '${field}' must be a key=value pair`);
    else invalid(`unexpected key '${key}' in '${field}'`, didYouMean(key, ["name", "required"]));
  }
  return { name, required };
}
