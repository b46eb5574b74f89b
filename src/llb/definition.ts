import type { Digest, SourceRange } from "../core/index.ts";

/** A whole graph as it is sent: `pb.Definition`. */
export interface Definition {
  /** Marshalled ops, inputs before their users; the last one is the terminal op. Empty: scratch. */
  readonly def: readonly Uint8Array[];
  readonly metadata: ReadonlyMap<Digest, OpMetadata>;
  readonly source?: SourceInfo;
}

/** Facts about a vertex that are no part of its digest. */
export interface OpMetadata {
  readonly ignoreCache: boolean;
  /** `llb.customname`, `com.docker.dockerfile.v1.command`, … */
  readonly description: Readonly<Record<string, string>>;
  readonly exportCache?: { readonly value: boolean };
  /** Capabilities that the solver needs. */
  readonly caps: readonly string[];
  readonly progressGroup?: ProgressGroup;
}

/** Vertices that a display shows as one. */
export interface ProgressGroup {
  readonly id: string;
  readonly name: string;
  readonly weak: boolean;
}

/** Which lines of which file each vertex comes from. */
export interface SourceInfo {
  readonly files: readonly SourceFile[];
  readonly locations: ReadonlyMap<Digest, readonly SourceSpot[]>;
}

/** A file that vertices come from. */
export interface SourceFile {
  readonly filename: string;
  readonly data: Uint8Array;
  /** GitHub linguist's name, `Dockerfile`. */
  readonly language: string;
  /** A marshalled `Definition` of the tree the file lies in. */
  readonly definition?: Uint8Array;
}

/** A place in such a file. */
export interface SourceSpot {
  /** Index into `SourceInfo.files`. */
  readonly file: number;
  readonly ranges: readonly SourceRange[];
}
