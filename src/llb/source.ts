import { posix } from "node:path";
import { type Digest, type GitReference, goText } from "../core/index.ts";
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
  httpChecksum: "http.checksum",
  httpFilename: "http.filename",
  httpMode: "http.perm",
  httpUid: "http.uid",
  httpGid: "http.gid",
  httpAuthHeaderSecret: "http.authheadersecret",
  gitUrl: "git.fullurl",
  gitKeepDirectory: "git.keepgitdir",
  gitAuthHeaderSecret: "git.authheadersecret",
  gitAuthTokenSecret: "git.authtokensecret",
  gitKnownHosts: "git.knownsshhosts",
  gitSsh: "git.mountsshsock",
  gitChecksum: "git.checksum",
  gitSkipSubmodules: "git.skipsubmodules",
  gitMtime: "git.mtime",
  gitFetchByCommit: "git.fetchbycommit",
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

/** What of a directory is wanted, and from whom. */
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

/** The file behind a URL, as a directory that holds it under `filename`. */
export function httpSource(
  url: string,
  file: { readonly filename: string; readonly checksum?: Digest },
  options: VertexOptions,
): LlbVertex {
  const attrs = {
    ...(file.checksum !== undefined && { [sourceAttributes.httpChecksum]: file.checksum }),
    [sourceAttributes.httpFilename]: file.filename,
  };
  const caps = ["source.http", ...(file.checksum === undefined ? [] : ["source.http.checksum"])];
  return makeVertex({ kind: "source", identifier: url, attrs }, [], { ...options, caps });
}

/**
 * A git repository. The identifier leaves the protocol out, so that the same commit by https and by ssh is one thing;
 * the whole URL is an attribute.
 */
export function gitSource(reference: GitReference, options: VertexOptions): LlbVertex {
  const { remote, scheme, host, path, ref, subdir, checksum } = reference;
  const tail = ref === "" && subdir === "" ? "" : `#${ref}${subdir === "" ? "" : `:${subdir}`}`;
  const attrs: Record<string, string> = {
    [sourceAttributes.gitUrl]: remote,
    [sourceAttributes.gitAuthTokenSecret]: "GIT_AUTH_TOKEN",
    [sourceAttributes.gitAuthHeaderSecret]: "GIT_AUTH_HEADER",
  };
  const caps = ["source.git", "source.git.fullurl"];
  const set = (name: string, value: string, cap: string) => {
    attrs[name] = value;
    caps.push(cap);
  };
  if (reference.keepGitDir) set(sourceAttributes.gitKeepDirectory, "true", "source.git.keepgitdir");
  if (scheme === "ssh") set(sourceAttributes.gitSsh, "default", "source.git.mountsshsock");
  if (checksum !== "") set(sourceAttributes.gitChecksum, checksum, "source.git.checksum");
  if (reference.submodules === false)
    set(sourceAttributes.gitSkipSubmodules, "true", "source.git.skipsubmodules");
  if (reference.mtime !== undefined) set(sourceAttributes.gitMtime, reference.mtime, "source.git.mtime");
  if (reference.fetchByCommit) set(sourceAttributes.gitFetchByCommit, "true", "source.git.fetchbycommit");
  const identifier = `git://${host}${posix.join("/", path).replace(/(.)\/$/, "$1")}${tail}`;
  return makeVertex({ kind: "source", identifier, attrs }, [], { ...options, caps });
}
