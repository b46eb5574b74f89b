import type { BuildEvent } from "../../core/index.ts";
import type { Display, Terminal } from "./display.ts";
import { formatProgress, printable, seconds } from "./format.ts";
import { createBuildState, type VertexState } from "./state.ts";

const frameTime = 100;
const tailLines = 6;

/** The live display of a terminal: one line a step with its timer, the tail of what running steps print. */
export function ttyDisplay(out: Terminal, now: () => number = Date.now): Display {
  const build = createBuildState(now);
  let drawn = 0;
  let timer: NodeJS.Timeout | undefined;

  function draw(final: boolean): void {
    const { columns, rows } = out.size() ?? { columns: 80, rows: 24 };
    const lines = frame(build.vertices, {
      begin: build.begin,
      time: now(),
      columns,
      final,
      color: out.color,
    });
    // A frame that does not fit cannot be redrawn: the cursor cannot go above the screen. The newest lines stay.
    const room = Math.max(1, rows - 1);
    const shown =
      final || lines.length <= room ? lines : [lines[0] as string, ...lines.slice(lines.length - room + 1)];
    const back = drawn > 0 ? `\u001b[${drawn}A` : "";
    out.write(`\u001b[?25l${back}\r\u001b[J${shown.map((line) => `${line}\n`).join("")}\u001b[?25h`);
    drawn = shown.length;
  }

  return {
    event(event: BuildEvent) {
      build.apply(event);
      if (timer === undefined) {
        draw(false);
        timer = setInterval(() => draw(false), frameTime);
        timer.unref();
      }
    },
    end() {
      clearInterval(timer);
      draw(true);
    },
  };
}

interface FrameOptions {
  readonly begin: number;
  readonly time: number;
  readonly columns: number;
  readonly final: boolean;
  readonly color: boolean;
}

/** The lines of one picture of the build, each cut or padded to the width. */
export function frame(vertices: readonly VertexState[], options: FrameOptions): string[] {
  const seen = vertices.filter(({ vertex }) => vertex.started !== undefined);
  const done = seen.filter(({ vertex }) => vertex.completed !== undefined);
  const end = options.final ? " FINISHED" : "";
  const head = `[+] Building ${seconds(options.time - options.begin)}s (${done.length}/${seen.length})${end}`;
  const lines = [pad(head, "", options.columns)];
  for (const state of seen) lines.push(...vertexLines(state, options));
  return lines;
}

function vertexLines(state: VertexState, options: FrameOptions): string[] {
  const { vertex } = state;
  const label =
    vertex.error !== undefined
      ? vertex.error === "canceled"
        ? "CANCELED "
        : "ERROR "
      : vertex.cached
        ? "CACHED "
        : "";
  const paint = painter(
    vertex.error !== undefined ? "red" : vertex.completed !== undefined ? "blue" : "none",
    options.color,
  );
  const lines = [paint(pad(` => ${label}${vertex.name}`, elapsed(vertex, options.time), options.columns))];
  for (const status of state.statuses.values())
    lines.push(
      paint(
        pad(` => => ${status.id}${formatProgress(status)}`, elapsed(status, options.time), options.columns),
      ),
    );
  if (vertex.completed === undefined && !options.final) {
    const partial = [...state.partial.values()].map((line) =>
      line.text.slice(line.text.lastIndexOf("\r") + 1),
    );
    const tail = [...state.lines.slice(-tailLines).map((line) => line.text), ...partial].slice(-tailLines);
    for (const text of tail) lines.push(pad(` => => # ${text}`, "", options.columns));
  }
  return lines;
}

function elapsed(times: { started?: number; completed?: number }, time: number): string {
  if (times.started === undefined) return "";
  return `${seconds((times.completed ?? time) - times.started)}s`;
}

function pad(left: string, right: string, columns: number): string {
  const width = columns - 1;
  const text = printable(left);
  const room = right === "" ? width : width - right.length - 1;
  const cut = text.length > room ? text.slice(0, Math.max(0, room)) : text;
  return right === "" ? cut : `${cut.padEnd(room)} ${right}`;
}

function painter(color: "red" | "blue" | "none", enabled: boolean): (text: string) => string {
  if (!enabled || color === "none") return (text) => text;
  const code = color === "red" ? 31 : 34;
  return (text) => `\u001b[${code}m${text}\u001b[0m`;
}
