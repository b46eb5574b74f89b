import type { Digest } from "../core/index.ts";
import type { LlbEdge, LlbVertex, VertexMetadata } from "./graph.ts";

/**
 * The same graph with one vertex object for each digest. Where several parts of a build made the same vertex (two
 * stages from one image), its facts are put together as BuildKit does when it marshals: the name of the one
 * visited last, all places, and no cache if one of them wants none. `others` are roots of the same build.
 */
export function unifyVertices(
  root: LlbEdge,
  others: readonly LlbEdge[] = [],
): {
  readonly edge: LlbEdge;
  readonly vertices: ReadonlyMap<Digest, LlbVertex>;
} {
  const visited = inVisitingOrder([root, ...others].map(({ vertex }) => vertex));
  const metadata = new Map<Digest, VertexMetadata>();
  for (const { digest, metadata: facts } of visited) {
    const earlier = metadata.get(digest);
    metadata.set(digest, earlier === undefined ? facts : merged(earlier, facts));
  }
  const vertices = new Map<Digest, LlbVertex>();
  for (const vertex of visited) {
    const { digest } = vertex;
    if (vertices.has(digest)) continue;
    const inputs = vertex.inputs.map(({ vertex: input, index }) => ({
      vertex: vertices.get(input.digest)!,
      index,
    }));
    vertices.set(digest, { ...vertex, inputs, metadata: metadata.get(digest)! });
  }
  return { edge: { vertex: vertices.get(root.vertex.digest)!, index: root.index }, vertices };
}

/** Every vertex object below the roots, inputs before their users, in the order in which BuildKit marshals. */
function inVisitingOrder(roots: readonly LlbVertex[]): LlbVertex[] {
  const seen = new Set<LlbVertex>();
  return roots.flatMap((root) => (seen.has(root) ? [] : visitBelow(root, seen)));
}

function visitBelow(root: LlbVertex, seen: Set<LlbVertex>): LlbVertex[] {
  seen.add(root);
  const result: LlbVertex[] = [];
  const stack = [{ vertex: root, inputs: inputsToVisit(root), next: 0 }];
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!;
    const input = top.inputs[top.next++];
    if (input === undefined) {
      result.push(top.vertex);
      stack.pop();
    } else if (!seen.has(input)) {
      seen.add(input);
      stack.push({ vertex: input, inputs: inputsToVisit(input), next: 0 });
    }
  }
  return result;
}

/** Of a file op, the base comes first and then what its actions copy from, the last action first. */
function inputsToVisit(vertex: LlbVertex): LlbVertex[] {
  const inputs = [...vertex.inputs.map((input) => input.vertex), ...(vertex.twins ?? [])];
  const [base, ...sources] = inputs;
  const { body } = vertex.op;
  if (body?.kind !== "file" || base === undefined) return inputs;
  return body.actions[0]?.input === 0 ? [base, ...sources.reverse()] : inputs.reverse();
}

function merged(earlier: VertexMetadata, later: VertexMetadata): VertexMetadata {
  const exportCache = later.exportCache ?? earlier.exportCache;
  const progressGroup = later.progressGroup ?? earlier.progressGroup;
  return {
    name: later.name || earlier.name,
    ignoreCache: earlier.ignoreCache || later.ignoreCache,
    description: { ...earlier.description, ...later.description },
    caps: [...new Set([...earlier.caps, ...later.caps])].sort(),
    ...(exportCache !== undefined && { exportCache }),
    ...(progressGroup !== undefined && { progressGroup }),
    sources: [...earlier.sources, ...later.sources],
  };
}
