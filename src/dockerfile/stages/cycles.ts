/** A way from a node back to itself: the edges taken, by index into each node's list. */
export interface Cycle {
  /** Where the search that found it began. */
  readonly root: number;
  /** Nodes from the root on; the last one occurs before. */
  readonly path: readonly number[];
}

/** First cycle of a directed graph, searched from node 0 on; undefined when there is none. */
export function findCycle(edges: readonly (readonly number[])[]): Cycle | undefined {
  const done = new Uint8Array(edges.length);
  const onPath = new Uint8Array(edges.length);
  for (let root = 0; root < edges.length; root++) {
    if (done[root]) continue;
    const path = [root];
    const next = [0];
    onPath[root] = 1;
    while (path.length > 0) {
      const node = path.at(-1)!;
      const target = edges[node]![next[next.length - 1]!++];
      if (target === undefined) {
        onPath[node] = 0;
        done[node] = 1;
        path.pop();
        next.pop();
      } else if (onPath[target]) return { root, path: [...path, target] };
      else if (!done[target]) {
        onPath[target] = 1;
        path.push(target);
        next.push(0);
      }
    }
  }
  return undefined;
}
