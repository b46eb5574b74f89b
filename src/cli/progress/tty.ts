import type { BuildEvent } from "../../core/index.ts";
import type { Display, Terminal } from "./display.ts";
import { fit, formatProgress, printable, seconds } from "./format.ts";
import { createBuildState, lastOverwrite, type VertexState } from "./state.ts";

const frameTime = 100;
/** How many lines of its output a running step is shown with: fewer where several of them have no room for more. */
const tails = [6, 3, 1, 0];

/** The live display of a terminal: one line a step with its timer, the tail of what running steps print. */
export function ttyDisplay(out: Terminal, now: () => number = Date.now): Display {
  const build = createBuildState(now);
  let drawn = 0;
  let timer: NodeJS.Timeout | undefined;
  let stopping = false;

  function draw(final: boolean): void {
    const { columns, rows } = out.size() ?? { columns: 80, rows: 24 };
    const shown = frame(build.vertices, {
      begin: build.begin,
      time: now(),
      columns,
      // What is to be redrawn has to fit: the cursor cannot go above the screen.
      ...(final ? {} : { rows: Math.max(1, rows - 1) }),
      final,
      stopping,
      color: out.color,
    });
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
    stopping() {
      stopping = true;
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
  /** Most lines there may be. */
  readonly rows?: number;
  readonly final: boolean;
  /** Whether it waits for steps that were asked to end. */
  readonly stopping?: boolean;
  readonly color: boolean;
}

/** The lines of one picture of the build, each cut or padded to the width. */
export function frame(vertices: readonly VertexState[], options: FrameOptions): string[] {
  const seen = vertices.filter(({ vertex }) => vertex.started !== undefined);
  const done = seen.filter(({ vertex }) => vertex.completed !== undefined);
  const end = options.final ? " FINISHED" : options.stopping ? " CANCELING, Ctrl-C again to kill" : "";
  const head = `[+] Building ${seconds(options.time - options.begin)}s (${done.length}/${seen.length})${end}`;
  return [pad(head, "", options.columns), ...fitting((tail) => blocksOf(seen, options, tail), options.rows)];
}

interface Block {
  readonly state: VertexState;
  readonly lines: readonly string[];
}

function blocksOf(seen: readonly VertexState[], options: FrameOptions, tail: number): readonly Block[] {
  return seen.map((state) => ({ state, lines: vertexLines(state, options, tail) }));
}

/**
 * As many lines as there is room for below the head: what is over goes first, the oldest before the others; then the
 * output of the running steps.
 */
function fitting(
  blocks: (tail: number) => readonly Block[],
  rows: number = Number.POSITIVE_INFINITY,
): readonly string[] {
  const room = rows - 1;
  let lines: readonly string[] = [];
  for (const tail of tails) {
    lines = withoutOldest(blocks(tail), room);
    if (lines.length <= room) return lines;
  }
  return lines.slice(lines.length - room);
}

function withoutOldest(blocks: readonly Block[], room: number): readonly string[] {
  let excess = blocks.reduce((sum, { lines }) => sum + lines.length, 0) - room;
  const shown = blocks.filter(({ state, lines }) => {
    if (excess <= 0 || state.vertex.completed === undefined) return true;
    excess -= lines.length;
    return false;
  });
  return shown.flatMap((block) => block.lines);
}

function vertexLines(state: VertexState, options: FrameOptions, tailLines: number): string[] {
  const { vertex } = state;
  const label =
    vertex.error !== undefined
      ? vertex.error === "canceled"
        ? "CANCELED "
        : "ERROR "
      : vertex.cached
        ? "CACHED "
        : "";
  const paint = painter(colorOf(vertex), options.color);
  const lines = [paint(pad(` => ${label}${vertex.name}`, elapsed(vertex, options.time), options.columns))];
  for (const status of state.statuses.values())
    lines.push(
      paint(
        pad(` => => ${status.id}${formatProgress(status)}`, elapsed(status, options.time), options.columns),
      ),
    );
  if (vertex.completed === undefined && !options.final) {
    const partial = [...state.partial.values()].map((line) => lastOverwrite(line.text));
    const printed = [...state.lines.slice(-tails[0]!).map((line) => line.text), ...partial];
    const tail = printed.slice(Math.max(0, printed.length - tailLines));
    const faint = painter("faint", options.color);
    for (const text of tail) lines.push(faint(pad(` => => # ${text}`, "", options.columns)));
  }
  return lines;
}

function elapsed(times: { started?: number; completed?: number }, time: number): string {
  if (times.started === undefined) return "";
  const took = (times.completed ?? time) - times.started;
  // Less than half a tick is shown as nothing, so that cached steps do not look different from run to run.
  return `${seconds(took < 50 ? 0 : took)}s`;
}

function pad(left: string, right: string, columns: number): string {
  const width = columns - 1;
  const text = printable(left);
  if (right === "") return fit(text, width).trimEnd();
  return `${fit(text, width - right.length - 1)} ${right}`;
}

const colors = { red: 31, yellow: 33, blue: 34, faint: 2 } as const;
type Color = keyof typeof colors;

/** BuildKit's: blue for what is done, red for an error, yellow for what was canceled. */
function colorOf({ error, completed }: VertexState["vertex"]): Color | undefined {
  if (error !== undefined) return error === "canceled" ? "yellow" : "red";
  return completed === undefined ? undefined : "blue";
}

function painter(color: Color | undefined, enabled: boolean): (text: string) => string {
  if (!enabled || color === undefined) return (text) => text;
  return (text) => `\u001b[${colors[color]}m${text}\u001b[0m`;
}
