import { printable } from "../progress/format.ts";
import type { PlanGraph, PlanNode } from "./graph.ts";

/** The plan as a Mermaid flowchart, which Git hosts draw in Markdown. */
export function planMermaid({ nodes, edges }: PlanGraph): string {
  const ids = new Map(nodes.map(({ id }, index) => [id, `n${index}`]));
  const lines = [
    "flowchart LR",
    ...nodes.map((node) => `  ${ids.get(node.id)}${shape(node)}`),
    ...edges.map(({ from, to, label, needed }) => {
      const arrow = needed ? "-->" : "-.->";
      return `  ${ids.get(from)} ${arrow}|"${escaped(label)}"| ${ids.get(to)}`;
    }),
    "  classDef target stroke-width:3px",
    "  classDef skipped fill:#f2f2f2,stroke:#bbbbbb,color:#888888,stroke-dasharray:4",
  ];
  for (const fate of ["target", "skipped"] as const) {
    const members = nodes.filter((node) => node.fate === fate).map(({ id }) => ids.get(id));
    if (members.length > 0) lines.push(`  class ${members.join(",")} ${fate}`);
  }
  return `${lines.join("\n")}\n`;
}

function shape({ kind, title, lines }: PlanNode): string {
  const text = [title, ...lines].map(escaped).join("<br/>");
  return kind === "stage" ? `["${text}"]` : `(["${text}"])`;
}

/** Mermaid reads HTML in labels; its own entities are safe everywhere. */
function escaped(text: string): string {
  return printable(text).replace(/[^\p{L}\p{N} .,:;/()_-]/gu, (character) => `#${character.codePointAt(0)};`);
}
