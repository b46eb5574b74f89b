import type { BuildEvent } from "../../core/index.ts";
import type { Display, Terminal } from "./display.ts";
import { formatProgress, printableLine, seconds } from "./format.ts";
import { createBuildState, type LogLine, type VertexState } from "./state.ts";

/** One line an event, each with the number of its step, for logs and pipes. The format is BuildKit's. */
export function plainDisplay(out: Terminal): Display {
  const build = createBuildState();
  let current: VertexState | undefined;
  const named = new Set<VertexState>();
  const finished = new Set<VertexState>();
  const shownStatuses = new Map<string, boolean>();

  function switchTo(state: VertexState): void {
    if (current === state) return;
    if (current !== undefined && !finished.has(current)) out.write(`#${current.number} ...\n`);
    if (current !== undefined) out.write("\n");
    out.write(`#${state.number} ${printableLine(state.vertex.name)}\n`);
    named.add(state);
    current = state;
  }

  function showLines(state: VertexState, lines: readonly LogLine[]): void {
    if (lines.length === 0) return;
    switchTo(state);
    const begin = state.vertex.started ?? build.begin;
    for (const line of lines)
      out.write(`#${state.number} ${logTime(line.time - begin)} ${printableLine(line.text)}\n`);
  }

  function showStatus(state: VertexState, id: string): void {
    const status = state.statuses.get(id);
    if (status === undefined) return;
    const done = status.completed !== undefined;
    const key = `${state.digest} ${id}`;
    if (shownStatuses.get(key) === true || (shownStatuses.has(key) && !done)) return;
    shownStatuses.set(key, done);
    switchTo(state);
    const took = (status.completed ?? status.timestamp) - (status.started ?? status.timestamp);
    const time = took > 10 ? ` ${seconds(took)}s` : "";
    out.write(`#${state.number} ${id}${formatProgress(status)}${time}${done ? " done" : ""}\n`);
  }

  function finish(state: VertexState): void {
    const { vertex } = state;
    if (vertex.completed === undefined || finished.has(state)) return;
    switchTo(state);
    finished.add(state);
    if (vertex.error !== undefined)
      out.write(
        vertex.error === "canceled"
          ? `#${state.number} CANCELED\n`
          : `#${state.number} ERROR: ${vertex.error}\n`,
      );
    else if (vertex.cached) out.write(`#${state.number} CACHED\n`);
    else
      out.write(
        `#${state.number} DONE ${seconds(vertex.completed - (vertex.started ?? vertex.completed))}s\n`,
      );
  }

  return {
    event(event: BuildEvent) {
      const { state, lines } = build.apply(event);
      if (state === undefined) return;
      if (event.kind === "vertex" && event.started !== undefined && !named.has(state)) switchTo(state);
      showLines(state, lines);
      if (event.kind === "status") showStatus(state, event.id);
      if (event.kind === "vertex") finish(state);
    },
    end() {},
  };
}

/** Seconds since the step began, in five characters for as long as that lasts. */
function logTime(milliseconds: number): string {
  const time = Math.max(0, milliseconds) / 1000;
  return time.toFixed(time < 10 ? 3 : time < 100 ? 2 : 1);
}
