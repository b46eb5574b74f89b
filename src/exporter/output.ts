import {
  BuildError,
  csvFields,
  defined,
  formatReference,
  parseReference,
  parseRepositoryReference,
} from "../core/index.ts";
import {
  type Attributes,
  type ImageAttributes,
  imageAttributeNames,
  imageAttributes,
  type PushAttributes,
  readAttributes,
} from "./image-attributes.ts";

/**
 * Where a result goes (`-o`). `dest` is a path, or `-` for stdout. Names are normalised. `split` says whether several
 * platforms get a directory each; by default they do.
 */
export type Output =
  | {
      readonly type: "image";
      readonly names: readonly string[];
      readonly image?: ImageAttributes;
      readonly push?: PushAttributes;
      /** False: the image gets no name in the local store. */
      readonly store?: boolean;
    }
  | {
      readonly type: "oci";
      readonly names: readonly string[];
      readonly dest: string;
      readonly tar: boolean;
      readonly image?: ImageAttributes;
    }
  /** Without `dest`, what is written goes to the engine that `docker` talks to; `context` names one of its contexts. */
  | {
      readonly type: "docker";
      readonly names: readonly string[];
      readonly dest?: string;
      readonly context?: string;
      readonly image?: ImageAttributes;
    }
  | { readonly type: "tar"; readonly dest: string; readonly split?: boolean }
  | { readonly type: "local"; readonly dest: string; readonly split?: boolean }
  /** Nothing but what the build left in the cache. */
  | { readonly type: "cacheonly" };

const known: Readonly<Record<Output["type"], readonly string[]>> = {
  image: ["name", "push", "push-by-digest", "name-canonical", "store", "unpack", ...imageAttributeNames],
  oci: ["name", "dest", "tar", ...imageAttributeNames],
  docker: ["name", "dest", "context", ...imageAttributeNames],
  tar: ["dest", "platform-split"],
  local: ["dest", "platform-split"],
  cacheonly: [],
};

const types = ["image", "registry", "oci", "docker", "tar", "local", "cacheonly"];

/**
 * Parses the value of `-o` as buildx does: `type=…,dest=…,name=…` in CSV, a lone path for `type=local`, `-` for a tar on
 * stdout; `type=registry` is an image that is pushed. Throws `invalid-argument` for what is not understood,
 * `unimplemented` for attributes that exist elsewhere.
 */
export function parseOutput(text: string): Output {
  const fields = csvFields(text);
  if (fields.length === 1 && !text.includes("=")) {
    if (text === "") throw invalid(text, "dest is missing");
    return text === "-" ? { type: "tar", dest: "-" } : { type: "local", dest: text };
  }
  const values = new Map<string, string>();
  for (const field of fields) {
    const equals = field.indexOf("=");
    if (equals < 0) throw invalid(text, `${JSON.stringify(field)} is not key=value`);
    values.set(field.slice(0, equals).trim().toLowerCase(), field.slice(equals + 1));
  }
  const named = values.get("type");
  values.delete("type");
  if (named === "registry" && !values.has("push")) values.set("push", "true");
  const type = typeOf(named, text);
  const attributes = readAttributes(text, values);
  const output = outputOf(type, attributes);
  const [unknown] = attributes.rest();
  if (unknown === undefined) return output;
  throw new BuildError(
    "unimplemented",
    `--output ${text}: type=${named} does not know ${JSON.stringify(unknown)}`,
    { hint: known[type].length === 0 ? "it knows none" : `it knows ${known[type].join(", ")}` },
  );
}

function outputOf(type: Output["type"], attributes: Attributes): Output {
  switch (type) {
    case "image":
      return imageOutput(attributes);
    case "local":
      return { type, dest: destination(attributes), ...splitOf(attributes) };
    case "tar":
      return { type, dest: attributes.take("dest") || "-", ...splitOf(attributes) };
    case "docker": {
      const [dest, context] = [attributes.take("dest"), attributes.take("context")];
      return {
        type,
        ...namesAndForm(attributes),
        ...(dest ? { dest } : {}),
        ...(context ? { context } : {}),
      };
    }
    case "oci": {
      const tar = attributes.flag("tar") ?? true;
      const dest = tar ? attributes.take("dest") || "-" : destination(attributes);
      return { type, ...namesAndForm(attributes), tar, dest };
    }
    case "cacheonly":
      return { type };
  }
}

function imageOutput(attributes: Attributes): Output {
  const push = attributes.flag("push") ?? false;
  const byDigest = attributes.flag("push-by-digest") ?? false;
  const store = attributes.flag("store");
  const name = attributes.take("name");
  const common = namesAndForm(attributes, name);
  const tagged = splitNames(name).find((one) => parseRepositoryReference(one).tag !== undefined);
  if (push && byDigest && tagged !== undefined)
    throw attributes.invalid(
      `can't push tagged ref ${tagged} by digest`,
      "name the repository alone: name=REGISTRY/REPOSITORY",
    );
  return {
    type: "image",
    ...common,
    ...(push ? { push: { byDigest } } : {}),
    ...defined({ store }),
  };
}

/** What all outputs that are images have. */
function namesAndForm(
  attributes: Attributes,
  name = attributes.take("name"),
): { readonly names: readonly string[]; readonly image?: ImageAttributes } {
  const names = splitNames(name).map((one) => formatReference(parseReference(one)));
  const image = imageAttributes(attributes);
  return { names, ...(Object.keys(image).length === 0 ? {} : { image }) };
}

function splitOf(attributes: Attributes): { readonly split?: boolean } {
  const split = attributes.flag("platform-split");
  return defined({ split });
}

function typeOf(type: string | undefined, text: string): Output["type"] {
  if (type === "registry") return "image";
  if (type !== undefined && Object.hasOwn(known, type)) return type as Output["type"];
  throw invalid(text, type === undefined ? "type is missing" : `unknown type ${JSON.stringify(type)}`);
}

function splitNames(value: string | undefined): readonly string[] {
  return (value ?? "").split(",").filter((name) => name !== "");
}

function destination(attributes: Attributes): string {
  const dest = attributes.take("dest");
  if (dest) return dest;
  throw attributes.invalid("dest is missing");
}

function invalid(text: string, problem: string): BuildError {
  return new BuildError("invalid-argument", `--output ${JSON.stringify(text)}: ${problem}`, {
    hint: `write type=TYPE,dest=PATH with one of ${types.join(", ")}, or a directory`,
  });
}
