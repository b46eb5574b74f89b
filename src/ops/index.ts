import { BuildError } from "../core/index.ts";
import type { LlbVertex } from "../llb/index.ts";
import type { Op, Vertex } from "../solver/index.ts";
import { execOp } from "./exec.ts";
import type { ExecDependencies } from "./exec-dependencies.ts";
import { type FileOpDependencies, fileOp, inputNames, type LayerCache } from "./file.ts";
import type { Ref } from "./ref.ts";
import { type SourceDependencies, sourceOp } from "./source.ts";
import { diffOp, mergeOp } from "./stack.ts";

export { createRefCodec, type RefCodec } from "./codec.ts";
export type { LayerCache } from "./file.ts";
export { solverEdge } from "./graph.ts";
export { createLayerCache } from "./layer-cache.ts";
export { type Ref, snapshotOf } from "./ref.ts";
export type { Lent, LentDirectory, LentSnapshot } from "./source.ts";

/** Everything that ops may need. */
export type OpDependencies = ExecDependencies &
  SourceDependencies &
  Omit<FileOpDependencies, "layerCache"> & { readonly layerCache: LayerCache };

/** What the solver does for an LLB vertex. */
export function resolveOp(vertex: Vertex<LlbVertex>, dependencies: OpDependencies): Op<Ref> {
  const { body } = vertex.sys.op;
  switch (body?.kind) {
    case "source":
      return sourceOp(vertex.sys, dependencies);
    case "exec":
      return execOp(vertex.sys, dependencies);
    case "file":
      return fileOp(
        body,
        vertex.ignoreCache ? withoutLayerCache(dependencies) : dependencies,
        inputNames(vertex.sys),
      );
    case "merge":
      return mergeOp(body);
    case "diff":
      return diffOp(body);
    default:
      throw new BuildError("unimplemented", `operations of kind ${body?.kind ?? "none"} are not supported`);
  }
}

/** A step that ignores the cache makes its layer anew. */
function withoutLayerCache({ layerCache: _, ...rest }: OpDependencies): FileOpDependencies {
  return rest;
}
