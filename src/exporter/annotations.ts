import { BuildError, formatPlatform, goText, type Platform, parsePlatform } from "../core/index.ts";

const kinds = ["manifest", "index", "manifest-descriptor", "index-descriptor"] as const;

/** What of an image an annotation stands on. */
export type AnnotationKind = (typeof kinds)[number];

/** A note on an image, or on the image of one platform alone. */
export interface Annotation {
  readonly kind: AnnotationKind;
  readonly platform?: Platform;
  readonly key: string;
  readonly value: string;
}

/**
 * Parses `--annotation [TYPE[PLATFORM],…:]KEY=VALUE` as buildx does: one annotation for each type, on the manifest when
 * there is none. Throws `invalid-argument`.
 */
export function parseAnnotation(text: string): readonly Annotation[] {
  const equals = text.indexOf("=");
  if (equals < 0) throw invalid(text, "expected key=value");
  const [before, value] = [text.slice(0, equals), text.slice(equals + 1)];
  const colon = before.indexOf(":");
  const key = before.slice(colon + 1);
  if (key === "") throw invalid(text, "the key is missing");
  if (colon < 0) return [{ kind: "manifest", key, value }];
  return before
    .slice(0, colon)
    .split(",")
    .map((target) => {
      const match = /^([a-z-]+)(?:\[([A-Za-z0-9_/.-]+)\])?$/.exec(target);
      if (match === null) throw invalid(text, "expected a type and an optional platform in square brackets");
      return { ...targetOf(match[1], match[2], text), key, value };
    });
}

/** An attribute of `-o` that is an annotation (`annotation-index.KEY`, `annotation[linux/amd64].KEY`), or undefined. */
export function annotationAttribute(name: string, value: string): Annotation | undefined {
  const match = /^annotation(?:-([a-z-]+))?(?:\[([A-Za-z0-9_/.-]+)\])?\.(\S+)$/.exec(name);
  return match === null ? undefined : { ...targetOf(match[1], match[2], name), key: match[3]!, value };
}

function targetOf(
  type: string | undefined,
  platform: string | undefined,
  text: string,
): Pick<Annotation, "kind" | "platform"> {
  const kind = type === undefined ? "manifest" : kinds.find((one) => one === type);
  if (kind === undefined) throw invalid(text, `unknown annotation type ${JSON.stringify(type)}`);
  return { kind, ...(platform === undefined ? {} : { platform: parsePlatform(platform) }) };
}

function invalid(text: string, problem: string): BuildError {
  return new BuildError("invalid-argument", `invalid annotation ${JSON.stringify(text)}: ${problem}`, {
    hint: `write KEY=VALUE or TYPE:KEY=VALUE; types are ${kinds.join(", ")}`,
  });
}

/**
 * The annotations of one kind, sorted by key. Those of an index count for every platform; of two for the same key, the
 * one for this platform wins.
 */
export function annotationsOf(
  annotations: readonly Annotation[],
  kind: AnnotationKind,
  platform?: Platform,
): Readonly<Record<string, string>> {
  const ofIndex = kind === "index" || kind === "index-descriptor";
  const wanted = platform === undefined ? undefined : formatPlatform(platform);
  const found: Record<string, string> = {};
  for (const specific of [false, true])
    for (const one of annotations) {
      if (one.kind !== kind || (one.platform !== undefined) !== specific) continue;
      if (ofIndex || one.platform === undefined || formatPlatform(one.platform) === wanted)
        found[one.key] = one.value;
    }
  return goText.sortedMap(found);
}

/** Throws `invalid-argument` for annotations that the image to be has no place for. */
export function checkAnnotations(
  annotations: readonly Annotation[],
  platforms: readonly Platform[],
  { index, ociMediaTypes }: { readonly index: boolean; readonly ociMediaTypes: boolean },
): void {
  const refuse = (message: string, hint: string): never => {
    throw new BuildError("invalid-argument", message, { hint });
  };
  const built = platforms.map(formatPlatform);
  for (const { kind, platform } of annotations) {
    if (platform !== undefined && !built.includes(formatPlatform(platform)))
      refuse(
        `invalid annotation: no platform ${formatPlatform(platform)} found in source`,
        `this build is for ${built.join(", ")}`,
      );
    if (!ociMediaTypes && kind !== "manifest")
      refuse(
        'cannot export annotations with "oci-mediatypes=false"',
        "Docker's own media types know annotations of manifests alone",
      );
    if (!index && (kind === "index" || kind === "index-descriptor"))
      refuse(
        "index annotations not supported for single platform export",
        "an image for one platform has no index; annotate its manifest",
      );
  }
}
