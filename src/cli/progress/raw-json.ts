import type { BuildEvent } from "../../core/index.ts";
import type { Display, Terminal } from "./display.ts";

/** One JSON object a line, in the shape of BuildKit's `SolveStatus` (`--progress rawjson`). */
export function rawJsonDisplay(out: Terminal): Display {
  return {
    event(event) {
      // The classic builder's instructions have no counterpart there: their vertices tell the same.
      if (event.kind !== "instruction") out.write(`${JSON.stringify(solveStatusOf(event))}\n`);
    },
    end() {},
  };
}

function solveStatusOf(event: Exclude<BuildEvent, { kind: "instruction" }>): object {
  switch (event.kind) {
    case "vertex":
      return {
        vertexes: [
          {
            digest: event.digest,
            ...(event.inputs.length > 0 ? { inputs: event.inputs } : {}),
            name: event.name,
            ...times(event),
            ...(event.cached ? { cached: true } : {}),
            ...(event.error === undefined ? {} : { error: event.error }),
          },
        ],
      };
    case "status":
      return {
        statuses: [
          {
            id: event.id,
            vertex: event.vertex,
            ...(event.total > 0 ? { total: event.total } : {}),
            current: event.current,
            timestamp: time(event.timestamp),
            ...times(event),
          },
        ],
      };
    case "log":
      return {
        logs: [
          {
            vertex: event.vertex,
            stream: event.stream,
            data: Buffer.from(event.data).toString("base64"),
            timestamp: time(event.timestamp),
          },
        ],
      };
    case "warning":
      return {
        warnings: [
          {
            ...(event.vertex === undefined ? {} : { vertex: event.vertex }),
            level: event.level,
            short: Buffer.from(event.short).toString("base64"),
            ...(event.detail === undefined
              ? {}
              : { detail: event.detail.map((line) => Buffer.from(line).toString("base64")) }),
            ...(event.url === undefined ? {} : { url: event.url }),
          },
        ],
      };
  }
}

function times(event: { started?: number; completed?: number }): object {
  return {
    ...(event.started === undefined ? {} : { started: time(event.started) }),
    ...(event.completed === undefined ? {} : { completed: time(event.completed) }),
  };
}

function time(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
