import { BuildError, digestOfFields, hostPlatform, type IgnoreFile, type Platform } from "../core/index.ts";
import type { LayerStore } from "../layer/index.ts";
import { type LlbVertex, type SourceOp, sourceAttributes } from "../llb/index.ts";
import type { Snapshot } from "../snapshot/index.ts";
import type { CacheKey, JobContext, Op } from "../solver/index.ts";
import { type BlobProgress, type DockerImage, type LocalTree, localSource } from "../source/index.ts";
import type { Ref } from "./ref.ts";
import { gitOp, httpOp, type RemoteDependencies } from "./source-remote.ts";

/** A directory that the caller lends to a build, under the name that `local://` sources use. */
export interface LentDirectory {
  /** Path on the host. */
  readonly directory: string;
  /** The file that its exclude patterns are from. */
  readonly ignore?: IgnoreFile;
}

/** Files that the caller lends in a snapshot, such as a tar that came through a pipe. It is made when it is needed. */
export interface LentSnapshot {
  readonly snapshot: () => Promise<Snapshot>;
}

export type Lent = LentDirectory | LentSnapshot;

export interface SourceDependencies extends RemoteDependencies {
  /** Root of the store. */
  readonly root: string;
  /** The image that a `docker-image://` source names, as the build resolved it. */
  readonly image: (reference: string, platform: Platform, signal: AbortSignal) => Promise<DockerImage>;
  /** An image of a store that the caller lends, as an `oci-layout://` source names that store. */
  readonly lentImage: (store: string, platform: Platform, signal: AbortSignal) => Promise<DockerImage>;
  readonly directories: ReadonlyMap<string, Lent>;
  readonly layers: Pick<LayerStore, "record">;
}

/** Where bytes come from: an image, a directory of the caller, a URL or a git repository. Other schemes are refused by name. */
export function sourceOp(vertex: LlbVertex, dependencies: SourceDependencies): Op<Ref> {
  const op = vertex.op.body as SourceOp;
  const [scheme, rest] = splitIdentifier(op.identifier);
  switch (scheme) {
    case "docker-image":
      return imageOp(rest, vertex.op.platform ?? hostPlatform(), dependencies);
    case "oci-layout":
      return layoutOp(rest, op, vertex.op.platform ?? hostPlatform(), dependencies);
    case "local":
      return localOp(rest, op, dependencies);
    case "http":
    case "https":
      return httpOp(vertex, dependencies);
    case "git":
      return gitOp(vertex, dependencies);
    default:
      throw new BuildError(
        "unimplemented",
        `sources of kind ${scheme}:// are not supported yet: ${op.identifier}`,
      );
  }
}

function splitIdentifier(identifier: string): [string, string] {
  const at = identifier.indexOf("://");
  if (at < 0) throw new BuildError("invalid-argument", `source without a scheme: ${identifier}`);
  return [identifier.slice(0, at), identifier.slice(at + 3)];
}

/** Keyed by the chain of its layers: another image of the same layers gives the same root filesystem. */
function imageOp(reference: string, platform: Platform, { image }: SourceDependencies): Op<Ref> {
  return opOfImage(reference, (signal) => image(reference, platform, signal));
}

/** An image of a store that the caller lends: see `lentImage`. */
function layoutOp(
  reference: string,
  { attrs }: SourceOp,
  platform: Platform,
  { lentImage }: SourceDependencies,
): Op<Ref> {
  const store = attrs[sourceAttributes.ociStore] ?? "";
  return opOfImage(reference, (signal) => lentImage(store, platform, signal));
}

function opOfImage(reference: string, image: (signal: AbortSignal) => Promise<DockerImage>): Op<Ref> {
  return {
    async definitionKey(_, { signal }): Promise<CacheKey> {
      const { digest, config } = await image(signal);
      const diffIds = diffIdsOf(config);
      return {
        key: digestOfFields("image", 1, ...diffIds),
        ingredients: [{ name: `image ${reference}`, value: digest }],
      };
    },
    async exec(_, context) {
      const { materialize } = await image(context.signal);
      const snapshot = await materialize({ signal: context.signal, onProgress: blobProgress(context) });
      return [{ kind: "snapshot", snapshot }];
    },
  };
}

/** The configuration was checked when the image was resolved. */
function diffIdsOf(config: Uint8Array): readonly string[] {
  const { rootfs } = JSON.parse(Buffer.from(config).toString()) as { rootfs?: { diff_ids?: string[] } };
  return rootfs?.diff_ids ?? [];
}

function blobProgress({ emit, vertex }: JobContext): (progress: BlobProgress) => void {
  const begun = new Map<string, number>();
  return ({ id, current, total }) => {
    const timestamp = Date.now();
    const started = begun.get(id) ?? timestamp;
    begun.set(id, started);
    const completed = current === total ? { completed: timestamp } : {};
    emit({ kind: "status", vertex, id, current, total, timestamp, started, ...completed });
  };
}

/** Has no key: what was copied from it decides, not where it is. */
function localOp(name: string, { attrs }: SourceOp, dependencies: SourceDependencies): Op<Ref> {
  const lent = dependencies.directories.get(name);
  if (lent === undefined)
    throw new BuildError("not-found", `nobody lends this build a directory called ${name}`);
  if ("snapshot" in lent) return lentOp(name, lent, dependencies);
  return {
    passive: true,
    definitionKey: async () => undefined,
    async exec(_, { signal, emit, vertex }) {
      const started = Date.now();
      const tree: LocalTree = await localSource({
        name,
        directory: lent.directory,
        includePatterns: listOf(attrs[sourceAttributes.includePatterns]),
        exclude: lent.ignore ?? listOf(attrs[sourceAttributes.excludePatterns]),
        followPaths: listOf(attrs[sourceAttributes.followPaths]),
        memoDirectory: `${dependencies.root}/contexts`,
        signal,
      });
      const timestamp = Date.now();
      const id = "reading context:";
      emit({
        kind: "status",
        vertex,
        id,
        current: tree.size,
        total: 0,
        timestamp,
        started,
        completed: timestamp,
      });
      return [{ kind: "tree", tree }];
    },
  };
}

/** Files in a snapshot have a key, whoever lends them: their layers. */
function lentOp(name: string, { snapshot }: LentSnapshot, { layers }: SourceDependencies): Op<Ref> {
  return {
    passive: true,
    async definitionKey() {
      const diffIds = (await snapshot()).layers.map((id) => layers.record(id)?.diffId ?? id);
      const key = digestOfFields("lent", 1, ...diffIds);
      return { key, ingredients: diffIds.map((value) => ({ name: `files of ${name}`, value })) };
    },
    exec: async () => [{ kind: "snapshot", snapshot: await snapshot() }],
  };
}

function listOf(attribute: string | undefined): string[] {
  if (attribute === undefined || attribute === "") return [];
  const list: unknown = JSON.parse(attribute);
  if (!Array.isArray(list) || !list.every((item) => typeof item === "string"))
    throw new BuildError("invalid-argument", `not a list of strings: ${attribute}`);
  return list;
}
