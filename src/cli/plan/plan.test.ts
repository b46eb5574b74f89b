import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { planDockerfile } from "../../frontend/index.ts";
import { planGraph } from "./graph.ts";
import { layOut } from "./layout.ts";
import { planMermaid } from "./mermaid.ts";
import { planSvg } from "./svg.ts";

const text = `FROM golang:1 AS build
RUN go build
FROM build AS test
RUN --mount=from=build,target=/b true
FROM node:18 AS web
FROM scratch
COPY --from=build /app /app
COPY --from=build /lib /lib
COPY --from=web /dist /www
COPY --from=busybox:musl /bin/sh /sh
`;

const graph = planGraph(planDockerfile(text, { file: "Dockerfile" }));

function wellFormed(xml: string): void {
  const { status, stderr } = spawnSync("xmllint", ["--noout", "-"], { input: xml, encoding: "utf8" });
  assert.equal(status, 0, `${stderr}\n${xml}`);
}

test("the graph has stages, what comes from outside, and one edge between any two", () => {
  assert.deepEqual(
    graph.nodes.map(({ kind, fate, title }) => `${kind} ${title} ${fate}`),
    [
      "stage build needed",
      "stage test skipped",
      "stage web needed",
      "stage stage-3 target",
      "image golang:1 needed",
      "image node:18 needed",
      "image busybox:musl needed",
    ],
  );
  assert.deepEqual(
    graph.edges.map(
      ({ from, to, label, needed }) => `${from} > ${to}: ${label}${needed ? "" : " (skipped)"}`,
    ),
    [
      "image golang:1 > stage 0: FROM",
      "stage 0 > stage 1: FROM, RUN --mount (skipped)",
      "image node:18 > stage 2: FROM",
      "stage 0 > stage 3: COPY --from",
      "stage 2 > stage 3: COPY --from",
      "image busybox:musl > stage 3: COPY --from",
    ],
  );
});

test("boxes stand apart, and behind what they take from", () => {
  const many = Array.from(
    { length: 40 },
    (_, i) => `FROM base${i % 7} AS s${i}\nCOPY --from=s${i >> 1}x / /\n`,
  );
  for (const one of [graph, planGraph(planDockerfile(many.join(""), { file: "Dockerfile" }))]) {
    const { boxes, paths, width, height } = layOut(one, () => ({ width: 100, height: 50 }));
    assert.equal(boxes.size, one.nodes.length);
    const all = [...boxes.values()];
    for (const [i, a] of all.entries()) {
      assert.ok(a.x >= 0 && a.y >= 0 && a.x + a.width <= width && a.y + a.height <= height);
      for (const b of all.slice(i + 1))
        assert.ok(
          a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y,
        );
    }
    for (const [i, { from, to }] of one.edges.entries()) {
      const [a, b] = [boxes.get(from), boxes.get(to)];
      assert.ok(a && b && a.x + a.width < b.x, `${from} > ${to}`);
      assert.ok((paths[i]?.length ?? 0) >= 2);
    }
  }
});

test("a picture is well-formed, skipped stages are grey, nothing in it is a link or a script", () => {
  const svg = planSvg(graph);
  wellFormed(svg);
  assert.match(svg, /<g class="stage skipped"><rect [^>]*\/><text [^>]*>test<\/text>/);
  assert.match(svg, /<g class="stage target">/);
  assert.match(svg, />skipped: not needed by target stage-3</);
  assert.match(svg, /<g class="skipped"><text class="label"[^>]*>FROM, RUN --mount</);
});

test("names that are markup stay text, in every format", () => {
  const title = `a"]; <script>alert('&')</script> ]]> \u0007\u001b[31m \ud800 \uffff é 日本`;
  const hostile = {
    nodes: [
      { id: "a", kind: "stage", fate: "target", title, lines: [title] },
      { id: "b", kind: "image", fate: "skipped", title, lines: [] },
    ],
    edges: [{ from: "b", to: "a", label: title, needed: false }],
  } as const;
  const svg = planSvg(hostile);
  wellFormed(svg);
  assert.doesNotMatch(svg, /<script|\u0007|\u001b/);
  assert.match(svg, /&lt;script&gt;/);
  const mermaid = planMermaid(hostile);
  assert.doesNotMatch(mermaid, /<script|\u0007|'|&/);
  for (const line of mermaid.split("\n").slice(1, 4)) assert.equal(line.match(/"/g)?.length, 2, line);
});
