import { BuildError, defined } from "../core/index.ts";
import type { ImageForm } from "../image/index.ts";
import { type Annotation, annotationAttribute } from "./annotations.ts";

/** How an output writes the image; what is left out is OCI's, with layers that are not compressed. */
export interface ImageAttributes {
  readonly compression?: NonNullable<ImageForm["compression"]>;
  /** 0 to 9 for gzip, 0 to 22 for zstd. */
  readonly compressionLevel?: number;
  /** False: Docker's media types, and a manifest list for several platforms. */
  readonly ociMediaTypes?: boolean;
  readonly annotations?: readonly Annotation[];
}

/** Whether and how `type=image` goes to its registry. */
export interface PushAttributes {
  /** Under no tag: the name is that of a repository. */
  readonly byDigest: boolean;
}

/** Attributes of `-o`; reading one takes it away, so that what nobody understood is left. */
export interface Attributes {
  /** The names of what nobody has taken yet. */
  rest(): readonly string[];
  take(name: string): string | undefined;
  /** A name alone, with an empty value, is true. */
  flag(name: string): boolean | undefined;
  invalid(problem: string, hint?: string): BuildError;
  unsupported(problem: string, hint: string): BuildError;
}

/** @param text the value of `-o`, for messages */
export function readAttributes(text: string, given: ReadonlyMap<string, string>): Attributes {
  const values = new Map(given);
  const where = `--output ${JSON.stringify(text)}`;
  const invalid = (problem: string, hint?: string) =>
    new BuildError("invalid-argument", `${where}: ${problem}`, {
      hint: hint ?? "write type=TYPE,dest=PATH, or a directory",
    });
  const take = (name: string) => {
    const value = values.get(name);
    values.delete(name);
    return value;
  };
  return {
    rest: () => [...values.keys()],
    take,
    flag(name) {
      const value = take(name);
      if (value === undefined) return undefined;
      if (value === "" || /^(1|t|true)$/i.test(value)) return true;
      if (/^(0|f|false)$/i.test(value)) return false;
      throw invalid(`${name} is neither true nor false`);
    },
    invalid,
    unsupported: (problem, hint) => new BuildError("unimplemented", `${where}: ${problem}`, { hint }),
  };
}

/** What BuildKit knows and has no meaning here: the value is checked, and nothing follows from it. */
const withoutEffect = ["force-compression", "name-canonical", "unpack"];

/** What can only be off: with the reason. */
const alwaysOff: Readonly<Record<string, string>> = {
  "rewrite-timestamp": "times in layers follow SOURCE_DATE_EPOCH as far as COPY, ADD and WORKDIR made them",
  "prefer-nondist-layers": "every layer is distributed",
  "attestation-inline": "images have no attestations yet",
  "oci-artifact": "images have no attestations yet",
  "registry.insecure":
    "say `http = true` or `insecure = true` for the registry in the settings of registries",
};

/** Names of the attributes that `imageAttributes` takes, for hints. */
export const imageAttributeNames: readonly string[] = [
  "compression",
  "compression-level",
  "force-compression",
  "oci-mediatypes",
  "annotation.KEY",
  "annotation-index.KEY",
  "annotation-manifest-descriptor.KEY",
  "annotation-index-descriptor.KEY",
];

/** Takes the attributes that `image`, `oci` and `docker` have in common. Throws `invalid-argument`. */
export function imageAttributes(attributes: Attributes): ImageAttributes {
  const compression = compressionOf(attributes);
  const level = levelOf(attributes, compression);
  const ociMediaTypes = attributes.flag("oci-mediatypes");
  if (compression === "zstd" && ociMediaTypes === false)
    throw attributes.invalid('"compression=zstd" conflicts with "oci-mediatypes=false"');
  for (const name of withoutEffect) attributes.flag(name);
  for (const [name, why] of Object.entries(alwaysOff))
    if (attributes.flag(name) === true) throw attributes.unsupported(`${name} is not supported`, why);
  const annotations = attributes.rest().flatMap((name) => {
    if (!name.startsWith("annotation")) return [];
    return annotationAttribute(name, attributes.take(name) ?? "") ?? [];
  });
  return {
    ...defined({ compression, compressionLevel: level, ociMediaTypes }),
    ...(annotations.length === 0 ? {} : { annotations }),
  };
}

function compressionOf(attributes: Attributes): ImageAttributes["compression"] {
  const compression = attributes.take("compression");
  switch (compression) {
    case undefined:
    case "uncompressed":
    case "gzip":
    case "zstd":
      return compression;
    case "estargz":
      throw attributes.unsupported("compression=estargz is not supported", "use gzip, zstd or uncompressed");
    default:
      throw attributes.invalid(
        `unsupported layer compression type ${JSON.stringify(compression)}`,
        "use gzip, zstd or uncompressed",
      );
  }
}

function levelOf(attributes: Attributes, compression: ImageAttributes["compression"]): number | undefined {
  const text = attributes.take("compression-level");
  if (text === undefined) return undefined;
  const hint = "a level is a whole number: 0 to 9 for compression=gzip, 0 to 22 for compression=zstd";
  const most = compression === "gzip" ? 9 : 22;
  if (!/^\d+$/.test(text) || Number(text) > most) {
    throw attributes.invalid(`compression-level=${JSON.stringify(text)} is no level`, hint);
  }
  if (compression === undefined || compression === "uncompressed")
    throw attributes.invalid("compression-level needs compression=gzip or compression=zstd", hint);
  return Number(text);
}
