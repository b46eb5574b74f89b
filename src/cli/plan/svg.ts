import { displayWidth, fit, printable } from "../progress/format.ts";
import type { PlanEdge, PlanGraph, PlanNode } from "./graph.ts";
import { type Box, layOut, type Point } from "./layout.ts";

const lineHeight = 18;
const padding = 10;
/** Width of a character of 13px monospace, a little more than fonts have. */
const characterWidth = 8;
const widestText = 44;

const style = `
  text { font: 13px ui-monospace, Menlo, Consolas, monospace; fill: #24292f }
  .title { font-weight: bold }
  .box { fill: #ffffff; stroke: #57606a }
  .image .box, .context .box { fill: #ddf4ff; stroke: #0969da }
  .target .box { stroke: #1a7f37; stroke-width: 3 }
  .skipped .box { fill: #f6f8fa; stroke: #afb8c1; stroke-dasharray: 4 }
  .skipped text { fill: #8c959f }
  .edge { fill: none; stroke: #57606a; marker-end: url(#arrow) }
  .skipped .edge { stroke: #afb8c1; stroke-dasharray: 4 }
  .label { font-size: 11px; text-anchor: middle; paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
`;

/** The plan as a picture that needs nothing else: stages from left to right, greyed where they are skipped. */
export function planSvg(graph: PlanGraph): string {
  const sizes = new Map(graph.nodes.map((node) => [node.id, sizeOf(node)]));
  const layout = layOut(graph, (id) => sizes.get(id) ?? { width: 0, height: 0 });
  const boxes = graph.nodes.map((node) => box(node, layout.boxes.get(node.id) as Box));
  const edges = graph.edges.map((edge, index) => arrow(edge, layout.paths[index] ?? []));
  const labels = graph.edges.map((edge, index) => label(edge, layout.paths[index] ?? []));
  const { width, height } = layout;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<title>Stages of the build</title>
<style>${style}</style>
<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#57606a"/></marker></defs>
<rect width="100%" height="100%" fill="#ffffff"/>
${[...edges, ...boxes, ...labels].join("\n")}
</svg>
`;
}

function textLines({ title, lines }: PlanNode): string[] {
  return [title, ...lines].map(shown);
}

function shown(text: string): string {
  const plain = printable(text);
  return displayWidth(plain) > widestText ? `${fit(plain, widestText - 1)}…` : plain;
}

function sizeOf(node: PlanNode): { width: number; height: number } {
  const lines = textLines(node);
  return {
    width: Math.max(...lines.map(displayWidth)) * characterWidth + 2 * padding,
    height: lines.length * lineHeight + 2 * padding,
  };
}

function box(node: PlanNode, { x, y, width, height }: Box): string {
  const texts = textLines(node).map((line, index) => {
    const baseline = y + padding + (index + 1) * lineHeight - 5;
    const title = index === 0 ? ' class="title"' : "";
    return `<text x="${x + padding}" y="${baseline}"${title}>${escaped(line)}</text>`;
  });
  const round = node.kind === "stage" ? 4 : 14;
  return `<g class="${node.kind} ${node.fate}"><rect class="box" x="${x}" y="${y}" width="${width}" height="${height}" rx="${round}"/>${texts.join("")}</g>`;
}

/** Straight beside boxes, bent between them. */
function arrow({ needed }: PlanEdge, [start, ...points]: readonly Point[]): string {
  if (start === undefined) return "";
  let before = start;
  const parts = [`M${start.x} ${start.y}`];
  for (const [index, { x, y }] of points.entries()) {
    const middle = (before.x + x) / 2;
    parts.push(index % 2 === 0 ? `C${middle} ${before.y} ${middle} ${y} ${x} ${y}` : `L${x} ${y}`);
    before = { x, y };
  }
  return `<g${needed ? "" : ' class="skipped"'}><path class="edge" d="${parts.join("")}"/></g>`;
}

/** In the middle of the last bend, where edges have parted. */
function label({ label: text, needed }: PlanEdge, points: readonly Point[]): string {
  const [before, last] = points.slice(-2);
  if (before === undefined || last === undefined) return "";
  const [x, y] = [(before.x + last.x) / 2, (before.y + last.y) / 2 - 4];
  return `<g${needed ? "" : ' class="skipped"'}><text class="label" x="${x}" y="${y}">${escaped(text)}</text></g>`;
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

/** Text of an XML document: halves of surrogate pairs and what is no character are replaced. */
function escaped(text: string): string {
  return printable(text)
    .toWellFormed()
    .replace(/[\ufffe\uffff]/g, "\ufffd")
    .replace(/[&<>"']/g, (character) => entities[character] ?? "");
}
