import type { PlanEdge, PlanGraph } from "./graph.ts";

/** A place in the picture: a node, or where an edge passes a column between its ends. */
interface Place {
  readonly id: string;
  readonly column: number;
  readonly height: number;
  row: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Box extends Point {
  readonly width: number;
  readonly height: number;
}

export interface Layout {
  readonly boxes: ReadonlyMap<string, Box>;
  /** For each edge, the points that it goes through, from right sides of boxes to left ones. */
  readonly paths: readonly (readonly Point[])[];
  readonly width: number;
  readonly height: number;
}

const gapX = 120;
const gapY = 24;
const margin = 20;
const passage = 16;

/**
 * Places nodes in columns from left to right, each behind all that it takes from, and leaves room in the columns between
 * for edges that go further. Nodes of a column are ordered by the middle of what they take from.
 *
 * @param sizeOf width and height of a node
 */
export function layOut(
  { nodes, edges }: PlanGraph,
  sizeOf: (id: string) => { readonly width: number; readonly height: number },
): Layout {
  const depth = depths(
    nodes.map(({ id }) => id),
    edges,
  );
  const columns: Place[][] = [];
  const put = (id: string, column: number, height: number): Place => {
    const place = { id, column, height, row: 0 };
    columns[column] ??= [];
    columns[column].push(place);
    return place;
  };
  const places = new Map(nodes.map(({ id }) => [id, put(id, depth.get(id) ?? 0, sizeOf(id).height)]));
  const routes = edges.map(({ from, to }, edge) => {
    const [start, end] = [places.get(from) as Place, places.get(to) as Place];
    const between: Place[] = [];
    for (let column = start.column + 1; column < end.column; column++)
      between.push(put(`edge ${edge}`, column, passage));
    return [start, ...between, end];
  });
  order(columns, routes);
  return measure(columns, routes, sizeOf);
}

/** The longest way to each node; the bound is for graphs with a cycle, which a plan never has. */
function depths(ids: readonly string[], edges: readonly PlanEdge[]): Map<string, number> {
  const depth = new Map(ids.map((id) => [id, 0]));
  for (let changed = true; changed; ) {
    changed = false;
    for (const { from, to } of edges) {
      const least = (depth.get(from) ?? 0) + 1;
      if ((depth.get(to) ?? 0) >= least || least > ids.length) continue;
      depth.set(to, least);
      changed = true;
    }
  }
  // What takes from nothing stands just before its first user.
  for (const id of ids) {
    const users = edges.filter(({ from }) => from === id).map(({ to }) => depth.get(to) ?? 0);
    if (users.length > 0 && !edges.some(({ to }) => to === id)) depth.set(id, Math.min(...users) - 1);
  }
  return depth;
}

function order(columns: readonly Place[][], routes: readonly (readonly Place[])[]): void {
  const before = new Map<Place, Place[]>();
  for (const route of routes)
    for (const [index, place] of route.entries())
      if (index > 0) before.set(place, [...(before.get(place) ?? []), route[index - 1] as Place]);
  for (const column of columns) {
    const middle = new Map(column.map((place) => [place, average(before.get(place) ?? [place])]));
    column.sort((a, b) => (middle.get(a) ?? 0) - (middle.get(b) ?? 0));
    for (const [row, place] of column.entries()) place.row = row;
  }
}

function average(places: readonly Place[]): number {
  return places.reduce((sum, { row }) => sum + row, 0) / places.length;
}

function measure(
  columns: readonly Place[][],
  routes: readonly (readonly Place[])[],
  sizeOf: (id: string) => { readonly width: number; readonly height: number },
): Layout {
  const isNode = ({ id }: Place) => !id.startsWith("edge ");
  const heights = columns.map((column) => column.reduce((sum, { height }) => sum + height + gapY, -gapY));
  const tallest = Math.max(0, ...heights);
  const boxes = new Map<Place, Box>();
  let x = margin;
  for (const [index, column] of columns.entries()) {
    const width = Math.max(...column.filter(isNode).map(({ id }) => sizeOf(id).width), 0);
    let y = margin + (tallest - (heights[index] ?? 0)) / 2;
    for (const place of column) {
      boxes.set(place, { x, y, width, height: place.height });
      y += place.height + gapY;
    }
    x += width + gapX;
  }
  const box = (place: Place) => boxes.get(place) as Box;
  return {
    boxes: new Map([...boxes].filter(([place]) => isNode(place)).map(([place, one]) => [place.id, one])),
    paths: routes.map((route) =>
      route.flatMap((place, index) => {
        const { x: left, y, width, height } = box(place);
        const ends = [
          { x: left, y: y + height / 2 },
          { x: left + width, y: y + height / 2 },
        ];
        return ends.slice(index === 0 ? 1 : 0, index === route.length - 1 ? 1 : 2);
      }),
    ),
    width: x - gapX + margin,
    height: tallest + 2 * margin,
  };
}
