import { type Descriptor, goText, mediaTypes } from "../core/index.ts";
import { orderedDescriptor } from "./manifest.ts";

/** The bytes of an image index as BuildKit writes them; with `docker` those of Docker's manifest list. */
export function encodeIndex(
  manifests: readonly Descriptor[],
  options: { readonly annotations?: Readonly<Record<string, string>>; readonly docker?: boolean } = {},
): Buffer {
  const { annotations = {}, docker = false } = options;
  const index = {
    schemaVersion: 2,
    mediaType: docker ? mediaTypes.dockerManifestList : mediaTypes.ociIndex,
    manifests: manifests.map(orderedDescriptor),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
  return Buffer.from(goText.json(index, 2));
}
