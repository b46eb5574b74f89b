import type { LlbEdge, LlbVertex } from "../llb/index.ts";
import type { Edge, Vertex } from "../solver/index.ts";

/** The solver's view of an LLB graph. Shared vertices stay shared. */
export function solverEdge(edge: LlbEdge): Edge<LlbVertex> {
  const known = new Map<LlbVertex, Vertex<LlbVertex>>();
  const convert = (vertex: LlbVertex): Vertex<LlbVertex> => {
    let converted = known.get(vertex);
    if (converted === undefined) {
      const { metadata } = vertex;
      converted = {
        digest: vertex.digest,
        name: metadata.name,
        sys: vertex,
        inputs: vertex.inputs.map((input) => ({ vertex: convert(input.vertex), index: input.index })),
        ...(metadata.ignoreCache ? { ignoreCache: true } : {}),
      };
      known.set(vertex, converted);
    }
    return converted;
  };
  return { vertex: convert(edge.vertex), index: edge.index };
}
