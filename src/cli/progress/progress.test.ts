import assert from "node:assert/strict";
import { test } from "node:test";
import { type BuildEvent, digestOf } from "../../core/index.ts";
import type { Display, Terminal } from "./display.ts";
import { displayWidth, fit, formatSize } from "./format.ts";
import { plainDisplay } from "./plain.ts";
import { rawJsonDisplay } from "./raw-json.ts";
import { createBuildState } from "./state.ts";
import { frame, ttyDisplay } from "./tty.ts";

function capture(make: (out: Terminal) => Display): { show: (events: readonly BuildEvent[]) => string } {
  return {
    show(events) {
      let text = "";
      const display = make({
        write: (piece) => (text += piece),
        size: () => ({ columns: 60, rows: 24 }),
        color: false,
      });
      for (const event of events) display.event(event);
      display.end();
      return text;
    },
  };
}

const [base, run, copy] = [digestOf("base"), digestOf("run"), digestOf("copy")];
const at = (seconds: number) => 1_700_000_000_000 + seconds * 1000;
const log = (vertex: typeof base, text: string, time: number, stream: 1 | 2 = 1): BuildEvent => ({
  kind: "log",
  vertex,
  stream,
  data: Buffer.from(text),
  timestamp: at(time),
});

const events: BuildEvent[] = [
  {
    kind: "vertex",
    digest: base,
    name: "[1/3] FROM docker.io/library/debian:12",
    inputs: [],
    started: at(0),
    completed: at(0),
    cached: true,
  },
  { kind: "vertex", digest: run, name: "[2/3] RUN make", inputs: [base], started: at(1) },
  log(run, "one\ntw", 1.5),
  log(run, "o\n", 1.75),
  { kind: "vertex", digest: copy, name: "[internal] load build context", inputs: [], started: at(2) },
  {
    kind: "status",
    vertex: copy,
    id: "transferring context:",
    current: 219100,
    total: 0,
    timestamp: at(2.1),
    started: at(2),
  },
  {
    kind: "status",
    vertex: copy,
    id: "transferring context:",
    current: 219100,
    total: 0,
    timestamp: at(2.2),
    started: at(2),
    completed: at(2.2),
  },
  {
    kind: "vertex",
    digest: copy,
    name: "[internal] load build context",
    inputs: [],
    started: at(2),
    completed: at(2.2),
  },
  log(run, "no line end", 3, 2),
  {
    kind: "vertex",
    digest: run,
    name: "[2/3] RUN make",
    inputs: [base],
    started: at(1),
    completed: at(4.04),
    error: "exit code: 1",
  },
];

test("plain: numbered steps, whole lines with their time, what happened at the end", () => {
  assert.equal(
    capture(plainDisplay).show(events),
    `#1 [1/3] FROM docker.io/library/debian:12
#1 CACHED

#2 [2/3] RUN make
#2 0.500 one
#2 0.500 two
#2 ...

#3 [internal] load build context
#3 transferring context: 219.1kB 0.1s
#3 transferring context: 219.1kB 0.2s done
#3 DONE 0.2s

#2 [2/3] RUN make
#2 2.000 no line end
#2 ERROR: exit code: 1
`,
  );
});

test("rawjson: one SolveStatus a line, bytes in base64", () => {
  const lines = capture(rawJsonDisplay)
    .show(events)
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(lines.length, events.length);
  assert.deepEqual(lines[0], {
    vertexes: [
      {
        digest: base,
        name: "[1/3] FROM docker.io/library/debian:12",
        started: "2023-11-14T22:13:20.000Z",
        completed: "2023-11-14T22:13:20.000Z",
        cached: true,
      },
    ],
  });
  assert.equal(Buffer.from(lines[2].logs[0].data, "base64").toString(), "one\ntw");
});

test("tty: a frame has the count, a line a step with its time, and the tail of what runs", () => {
  const state = createBuildState(() => at(0));
  for (const event of events.slice(0, 5)) state.apply(event);
  const lines = frame(state.vertices, {
    begin: at(0),
    time: at(2.5),
    columns: 50,
    final: false,
    color: false,
  });
  assert.deepEqual(lines, [
    "[+] Building 2.5s (1/3)",
    `${" => CACHED [1/3] FROM docker.io/library/debian:12 0.0s".slice(0, 44)} 0.0s`,
    " => [2/3] RUN make                           1.5s",
    " => => # one",
    " => => # two",
    " => [internal] load build context            0.5s",
  ]);
});

test("tty: a wide character takes two columns, a combining one none", () => {
  const name = "[1/1] RUN echo 日本語 e\u0301 \u{1f600}";
  assert.equal(displayWidth(name), 26);
  assert.equal(fit(name, 17), "[1/1] RUN echo 日");
  assert.equal(fit(name, 18), "[1/1] RUN echo 日 ");
  assert.equal(fit("e\u0301", 3), "e\u0301  ");
});

test("tty: where room is short, what runs stays and what is over goes", () => {
  const state = createBuildState(() => at(0));
  state.apply({ kind: "vertex", digest: digestOf("slow"), name: "slow", inputs: [], started: at(0) });
  for (let step = 1; step <= 30; step++)
    state.apply({
      kind: "vertex",
      digest: digestOf(`step ${step}`),
      name: `step ${step}`,
      inputs: [],
      started: at(0),
      ...(step === 30 ? {} : { completed: at(1) }),
    });
  const options = { begin: at(0), time: at(2), columns: 30, rows: 5, color: false };
  const names = frame(state.vertices, { ...options, final: false }).map((line) => line.slice(4, 12).trim());
  assert.deepEqual(names, ["Building", "slow", "step 28", "step 29", "step 30"]);
});

test("tty: where several steps print, each is shown, with as much of its output as there is room for", () => {
  const state = createBuildState(() => at(0));
  for (const name of ["one", "two", "three"]) {
    const digest = digestOf(name);
    state.apply({ kind: "vertex", digest, name, inputs: [], started: at(0) });
    state.apply(log(digest, "a\nb\nc\nd\ne\nf\ng\n", 1));
  }
  const shown = (rows: number) =>
    frame(state.vertices, { begin: at(0), time: at(2), columns: 40, rows, final: false, color: false })
      .slice(1)
      .map((line) => line.replace(/^ => (=> # )?/, "").replace(/ .*/, ""));
  assert.equal(shown(30).length, 3 * 7);
  assert.deepEqual(shown(14), ["one", "e", "f", "g", "two", "e", "f", "g", "three", "e", "f", "g"]);
  assert.deepEqual(shown(7), ["one", "g", "two", "g", "three", "g"]);
  assert.deepEqual(shown(5), ["one", "two", "three"]);
  assert.deepEqual(shown(3), ["two", "three"]);
});

test("sizes round up to the next unit", () => {
  assert.deepEqual(
    [0, 999, 999_999, 1_000_000, 5_129_999].map((size) => formatSize(size, 3)),
    ["0B", "999B", "1MB", "1MB", "5.13MB"],
  );
});

test("tty: what a step prints cannot move the cursor", () => {
  const state = createBuildState(() => at(0));
  state.apply(events[1] as BuildEvent);
  state.apply(log(run, "\u001b[2J\u001b]0;title\u0007a\tb\u0008\rprogress 1\rprogress 2\n", 2));
  const text = frame(state.vertices, {
    begin: at(0),
    time: at(3),
    columns: 50,
    final: false,
    color: false,
  }).join("\n");
  assert.ok(!/[\u0000-\u0009\u000b-\u001f]/.test(text), JSON.stringify(text));
  assert.ok(text.includes("# progress 2"));
  state.apply(log(run, "40%\r50%\r", 2));
  const unfinished = frame(state.vertices, {
    begin: at(0),
    time: at(3),
    columns: 50,
    final: false,
    color: false,
  });
  assert.ok(
    unfinished.some((line) => line.endsWith("# 50%")),
    unfinished.join("\n"),
  );
});

test("tty: a build that waits for steps to end says how to kill them", () => {
  const shown = frame([], {
    begin: at(0),
    time: at(3),
    columns: 80,
    final: false,
    stopping: true,
    color: false,
  });
  assert.equal(shown[0], "[+] Building 3.0s (0/0) CANCELING, Ctrl-C again to kill");
});

test("tty: the last frame says FINISHED and leaves the cursor visible", () => {
  const text = capture((out) => ttyDisplay(out, () => at(4.1))).show(events);
  assert.match(text.slice(text.lastIndexOf("[+]")), /^\[\+\] Building 0\.0s \(3\/3\) FINISHED/);
  assert.match(text, / => ERROR \[2\/3\] RUN make +3\.0s\n/);
  assert.ok(text.endsWith("\u001b[?25h"));
});
