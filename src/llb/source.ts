import { goText } from "../core/index.ts";
import type { LlbVertex, VertexOptions } from "./graph.ts";
import { makeVertex } from "./graph.ts";

/** Attributes of sources, by what they are for. Lists are JSON arrays as Go writes them. */
export const sourceAttributes = {
  imageResolveMode: "image.resolvemode",
  localSession: "local.session",
  localUnique: "local.unique",
  includePatterns: "local.includepattern",
  excludePatterns: "local.excludepatterns",
  followPaths: "local.followpaths",
  sharedKeyHint: "local.sharedkeyhint",
  differ: "local.differ",
  ociSession: "oci.session",
  ociStore: "oci.store",
} as const;

/** An image; `ref` is normalised. Platform-specific: `options.platform` should be there. */
export function imageSource(
  ref: string,
  resolveMode: "default" | "pull" | "local",
  options: VertexOptions,
): LlbVertex {
  const attrs = resolveMode === "default" ? {} : { [sourceAttributes.imageResolveMode]: resolveMode };
  const caps = ["source.image", ...(resolveMode === "pull" ? ["source.image.resolvemode"] : [])];
  return makeVertex({ kind: "source", identifier: `docker-image://${ref}`, attrs }, [], { ...options, caps });
}

/** An image in an OCI layout that the client lends as `store`. */
export function ociLayoutSource(
  ref: string,
  lent: { readonly session: string; readonly store: string },
  options: VertexOptions,
): LlbVertex {
  const attrs = {
    ...(lent.session !== "" && { [sourceAttributes.ociSession]: lent.session }),
    [sourceAttributes.ociStore]: lent.store,
  };
  return makeVertex({ kind: "source", identifier: `oci-layout://${ref}`, attrs }, [], {
    ...options,
    caps: ["source.ocilayout"],
  });
}

export interface LocalSourceOptions {
  /** Session that lends the directory. */
  readonly session: string;
  readonly sharedKeyHint: string;
  /** Only these paths, and what symlinks among them lead to. Empty: everything. */
  readonly followPaths?: readonly string[];
  readonly excludePatterns?: readonly string[];
  /** `none`: files are always sent again. */
  readonly differ?: "none" | "metadata";
}

/** A directory of the client. */
export function localSource(name: string, local: LocalSourceOptions, options: VertexOptions): LlbVertex {
  const attrs: Record<string, string> = {
    [sourceAttributes.localSession]: local.session,
    [sourceAttributes.sharedKeyHint]: local.sharedKeyHint,
  };
  const caps = ["source.local", "source.local.sessionid", "source.local.sharedkeyhint"];
  if (local.followPaths !== undefined && local.followPaths.length > 0) {
    attrs[sourceAttributes.followPaths] = goText.json(local.followPaths);
    caps.push("source.local.followpaths");
  }
  if (local.excludePatterns !== undefined && local.excludePatterns.length > 0) {
    attrs[sourceAttributes.excludePatterns] = goText.json(local.excludePatterns);
    caps.push("source.local.excludepatterns");
  }
  if (local.differ !== undefined) attrs[sourceAttributes.differ] = local.differ;
  return makeVertex({ kind: "source", identifier: `local://${name}`, attrs }, [], { ...options, caps });
}
