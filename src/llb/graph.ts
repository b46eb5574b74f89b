import type { Digest, SourceRange } from "../core/index.ts";
import type { OpMetadata, SourceFile } from "./definition.ts";
import type { Op } from "./op.ts";

/** A node of the graph; immutable. Equal digests mean equal vertices, inputs included. */
export interface LlbVertex {
  /** sha256 of `bytes`. */
  readonly digest: Digest;
  /** The op as BuildKit marshals it. */
  readonly bytes: Uint8Array;
  readonly op: Op;
  /** In the order of `op.inputs`. */
  readonly inputs: readonly LlbEdge[];
  readonly metadata: VertexMetadata;
}

/** One output of a vertex. */
export interface LlbEdge {
  readonly vertex: LlbVertex;
  readonly index: number;
}

/** What `OpMetadata` says, with what a display needs taken out of the description. */
export interface VertexMetadata extends OpMetadata {
  /** What is shown: `[build 2/3] RUN make`. */
  readonly name: string;
  /** Places that the vertex comes from. */
  readonly sources: readonly VertexSource[];
}

export interface VertexSource {
  readonly file: SourceFile;
  readonly ranges: readonly SourceRange[];
}
