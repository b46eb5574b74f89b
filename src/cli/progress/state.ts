import type {
  BuildEvent,
  Digest,
  LogEvent,
  StatusEvent,
  VertexEvent,
  WarningEvent,
} from "../../core/index.ts";

/** A vertex as a display sees it: its last state with what came in for it. */
export interface VertexState {
  readonly digest: Digest;
  /** Numbered from 1 in order of appearance. */
  readonly number: number;
  vertex: VertexEvent;
  /** Progress inside, in order of appearance; by id. */
  readonly statuses: Map<string, StatusEvent>;
  /** The last complete lines of output, at most `keptLines`. */
  readonly lines: LogLine[];
  /** Output after the last line end, a stream apiece. */
  readonly partial: Map<1 | 2, LogLine>;
}

export interface LogLine {
  readonly text: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

/** Folds the events of a build into what is known of each vertex. */
export interface BuildState {
  readonly vertices: readonly VertexState[];
  readonly warnings: readonly WarningEvent[];
  /** Milliseconds since the epoch of the first event. */
  readonly begin: number;
  /** Folds one event in; returns the vertex it was about and the log lines that it completed. */
  apply(event: BuildEvent): { state: VertexState | undefined; lines: readonly LogLine[] };
}

const keptLines = 1000;

export function createBuildState(now: () => number = Date.now): BuildState {
  const vertices: VertexState[] = [];
  const byDigest = new Map<Digest, VertexState>();
  const warnings: WarningEvent[] = [];
  const begin = now();

  function stateOf(digest: Digest): VertexState | undefined {
    return byDigest.get(digest);
  }

  function applyVertex(event: VertexEvent): VertexState {
    const known = byDigest.get(event.digest);
    if (known !== undefined) {
      known.vertex = event;
      return known;
    }
    const state: VertexState = {
      digest: event.digest,
      number: vertices.length + 1,
      vertex: event,
      statuses: new Map(),
      lines: [],
      partial: new Map(),
    };
    vertices.push(state);
    byDigest.set(event.digest, state);
    return state;
  }

  return {
    vertices,
    warnings,
    begin,
    apply(event) {
      switch (event.kind) {
        case "vertex": {
          const state = applyVertex(event);
          return { state, lines: event.completed === undefined ? [] : flush(state) };
        }
        case "status": {
          const state = stateOf(event.vertex);
          state?.statuses.set(event.id, event);
          return { state, lines: [] };
        }
        case "log": {
          const state = stateOf(event.vertex);
          return { state, lines: state === undefined ? [] : addOutput(state, event) };
        }
        case "instruction":
          return { state: undefined, lines: [] };
        case "warning":
          warnings.push(event);
          return { state: event.vertex === undefined ? undefined : stateOf(event.vertex), lines: [] };
      }
    },
  };
}

function addOutput(state: VertexState, event: LogEvent): LogLine[] {
  const before = state.partial.get(event.stream);
  const text = (before?.text ?? "") + Buffer.from(event.data).toString("utf8");
  const pieces = text.split("\n");
  const rest = pieces.pop() as string;
  const lines = pieces.map((piece, index) => ({
    text: lastOverwrite(piece),
    time: index === 0 && before !== undefined ? before.time : event.timestamp,
  }));
  if (rest === "") state.partial.delete(event.stream);
  else
    state.partial.set(event.stream, {
      text: rest,
      time: lines.length === 0 && before ? before.time : event.timestamp,
    });
  keep(state, lines);
  return lines;
}

function flush(state: VertexState): LogLine[] {
  const lines = [...state.partial.values()].map((line) => ({ ...line, text: lastOverwrite(line.text) }));
  state.partial.clear();
  keep(state, lines);
  return lines;
}

function keep(state: VertexState, lines: readonly LogLine[]): void {
  state.lines.push(...lines);
  if (state.lines.length > keptLines) state.lines.splice(0, state.lines.length - keptLines);
}

/** What a terminal would show of a line in which programs went back with carriage returns. */
export function lastOverwrite(line: string): string {
  const text = line.endsWith("\r") ? line.slice(0, -1) : line;
  return text.slice(text.lastIndexOf("\r") + 1);
}
