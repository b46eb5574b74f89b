import {
  BuildError,
  type Descriptor,
  defined,
  formatPlatform,
  mediaTypes,
  type Platform,
} from "../core/index.ts";
import {
  encodeIndex,
  type Image,
  type ImageDraft,
  type ImageForm,
  imageFromSnapshot,
} from "../image/index.ts";
import { type Annotation, annotationsOf, checkAnnotations } from "./annotations.ts";
import type { ExportStores } from "./destination.ts";
import type { ImageAttributes } from "./image-attributes.ts";

/** What a build made for one platform. */
export interface PlatformDraft {
  readonly platform: Platform;
  readonly draft: ImageDraft;
}

/** What a build made, to be exported. */
export interface ExportSource {
  /** At least one, in the order in which they were asked for. */
  readonly platforms: readonly PlatformDraft[];
  /** Whether an image becomes an index, as it does for several platforms. */
  readonly index: boolean;
}

/** An image in the content store. */
export interface CommittedImage {
  /** The index, or the manifest where there is none. */
  readonly target: Descriptor;
  /** In the order of the source's platforms. */
  readonly images: readonly Image[];
  readonly platforms: readonly Platform[];
}

/**
 * Writes a build's image into the content store: for several platforms a manifest for each, and an index over them. The
 * same source and attributes give the same bytes. Throws `invalid-argument` for annotations that have no place.
 */
export async function commitImage(
  { platforms, index }: ExportSource,
  attributes: ImageAttributes,
  given: readonly Annotation[],
  stores: ExportStores,
  signal: AbortSignal | undefined,
): Promise<CommittedImage> {
  const { annotations: own = [], ociMediaTypes = true } = attributes;
  const annotations = [...own, ...given];
  const all = platforms.map(({ platform }) => platform);
  checkAnnotations(annotations, all, { index, ociMediaTypes });
  const form = formOf(attributes);
  const images = await Promise.all(
    platforms.map(({ platform, draft }) => {
      const manifest = annotationsOf(annotations, "manifest", platform);
      const annotated = { ...draft, annotations: { ...draft.annotations, ...manifest } };
      return imageFromSnapshot(annotated, stores, signal, form);
    }),
  );
  const [only] = images;
  if (only === undefined) throw new BuildError("internal", "a build has at least one platform");
  const described = images.map((image, i) => {
    const notes = annotationsOf(annotations, "manifest-descriptor", all[i]);
    return annotated(image.manifestDescriptor, notes);
  });
  if (!index) return { target: described[0]!, images, platforms: all };
  const bytes = encodeIndex(
    described.map((descriptor, i) => ({ ...descriptor, platform: platformObject(all[i]!) })),
    { annotations: annotationsOf(annotations, "index"), docker: !ociMediaTypes },
  );
  const { digest, size } = await stores.content.ingestBytes(bytes);
  const mediaType = ociMediaTypes ? mediaTypes.ociIndex : mediaTypes.dockerManifestList;
  const target = annotated({ mediaType, digest, size }, annotationsOf(annotations, "index-descriptor"));
  return { target, images, platforms: all };
}

/** Docker's media types are for registries and engines that know nothing else: those want gzip, too. */
function formOf({ compression, compressionLevel, ociMediaTypes = true }: ImageAttributes): ImageForm {
  const chosen = compression ?? (ociMediaTypes ? "uncompressed" : "gzip");
  return {
    compression: chosen,
    docker: !ociMediaTypes,
    ...defined({ level: compressionLevel }),
  };
}

function annotated(descriptor: Descriptor, annotations: Readonly<Record<string, string>>): Descriptor {
  return Object.keys(annotations).length === 0 ? descriptor : { ...descriptor, annotations };
}

/** With its keys in the order of Go's struct. */
export function platformObject(platform: Platform): Platform {
  const { architecture, os, variant } = platform;
  const [version, features] = [platform["os.version"], platform["os.features"]];
  return {
    architecture,
    os,
    ...(version ? { "os.version": version } : {}),
    ...(features?.length ? { "os.features": features } : {}),
    ...(variant ? { variant } : {}),
  };
}

/** Name of a platform's directory where several are written side by side: `linux_arm_v7`. */
export function platformDirectory(platform: Platform): string {
  return formatPlatform(platform).replaceAll("/", "_");
}
