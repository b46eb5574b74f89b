import { type Digest, digestOf, type Platform, type SourceRange } from "../core/index.ts";
import type { OpMetadata, SourceFile } from "./definition.ts";
import { encodeOp } from "./encode-op.ts";
import type { Op, OpBody } from "./op.ts";

/** A node of the graph; immutable. Equal digests mean equal vertices, inputs included. */
export interface LlbVertex {
  /** sha256 of `bytes`. */
  readonly digest: Digest;
  /** The op as BuildKit marshals it. */
  readonly bytes: Uint8Array;
  readonly op: Op;
  /** In the order of `op.inputs`. */
  readonly inputs: readonly LlbEdge[];
  /** Vertices equal to one of the inputs that other parts of the build made: what they say of themselves counts too. */
  readonly twins?: readonly LlbVertex[];
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

/** A place in a file that a vertex comes from. */
export interface VertexSource {
  readonly file: SourceFile;
  readonly ranges: readonly SourceRange[];
}

/** Facts about a vertex beside what it does. All of them may be left out. */
export interface VertexOptions {
  /** Platform of an exec or a platform-specific source; other ops have none. */
  readonly platform?: Platform;
  readonly name?: string;
  /** Becomes part of the description beside the name. */
  readonly description?: Readonly<Record<string, string>>;
  readonly ignoreCache?: boolean;
  readonly caps?: readonly string[];
  readonly progressGroup?: OpMetadata["progressGroup"];
  readonly sources?: readonly VertexSource[];
}

/** Key of the description that holds the name. */
export const nameKey = "llb.customname";

/** Makes a vertex and computes its digest. `body` refers to `inputs` by index. */
export function makeVertex(body: OpBody, inputs: readonly LlbEdge[], options: VertexOptions): LlbVertex {
  const { platform, name, progressGroup } = options;
  const op: Op = {
    inputs: inputs.map(({ vertex, index }) => ({ digest: vertex.digest, index })),
    body,
    ...(platform !== undefined && { platform }),
    // BuildKit always writes the message, empty as it is.
    constraints: { filter: [] },
  };
  const bytes = encodeOp(op);
  return {
    digest: digestOf(bytes),
    bytes,
    op,
    inputs,
    metadata: {
      name: name ?? "",
      ignoreCache: options.ignoreCache ?? false,
      description: { ...options.description, ...(name !== undefined && { [nameKey]: name }) },
      caps: [...(options.caps ?? [])].sort(),
      ...(progressGroup !== undefined && { progressGroup }),
      sources: options.sources ?? [],
    },
  };
}

/** Whether two edges lead to the same output. */
function sameEdge(a: LlbEdge, b: LlbEdge): boolean {
  return a.index === b.index && a.vertex.digest === b.vertex.digest;
}

/** Index of `edge` in `inputs`, to which it is added when it is not there. */
export function inputIndex(inputs: LlbEdge[], edge: LlbEdge): number {
  const known = inputs.findIndex((other) => sameEdge(other, edge));
  return known >= 0 ? known : inputs.push(edge) - 1;
}
