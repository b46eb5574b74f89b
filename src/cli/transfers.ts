import { fit, formatSize } from "./progress/format.ts";
import type { Terminal } from "./progress/index.ts";
import { shortId } from "./text-table.ts";

const frameTime = 100;

/** Shows blobs on their way to or from a registry. */
export interface TransferDisplay {
  /** So many bytes of a blob have passed. */
  moving(id: string, current: number, total: number): void;
  /** Something else is done to so many bytes of a blob, before it moves. */
  busy(id: string, what: string, total: number): void;
  /** It is done, or given up. */
  idle(id: string): void;
  /** The blob is through; `outcome` says what became of it. Told once for each, whatever is said of it later. */
  through(id: string, outcome: string, total: number): void;
  /** Nothing moves any more. */
  end(): void;
}

/** A line for each blob that is through; below them, on a terminal, how far the others are. */
export function transferDisplay(out: Terminal, now: () => number = Date.now): TransferDisplay {
  const told = new Set<string>();
  const underWay = new Map<string, string>();
  let drawn = 0;
  let drawnAt = Number.NEGATIVE_INFINITY;

  function draw(lines: readonly string[]): void {
    const size = out.size();
    const live = size === undefined ? [] : [...underWay.values()].slice(0, Math.max(0, size.rows - 2));
    const back = drawn > 0 ? `\u001b[${drawn}A\r\u001b[J` : "";
    out.write(
      [...lines, ...live.map((line) => fit(line, (size?.columns ?? 80) - 1).trimEnd())].reduce(
        (text, line) => `${text}${line}\n`,
        back,
      ),
    );
    drawn = live.length;
    drawnAt = now();
  }

  return {
    moving(id, current, total) {
      if (told.has(id)) return;
      underWay.set(id, `${shortId(id)}: ${formatSize(current, 3)} / ${formatSize(total, 3)}`);
      if (out.size() !== undefined && now() - drawnAt >= frameTime) draw([]);
    },
    busy(id, what, total) {
      underWay.set(id, `${shortId(id)}: ${what} (${formatSize(total, 3)})`);
      if (out.size() !== undefined) draw([]);
    },
    idle(id) {
      underWay.delete(id);
    },
    through(id, outcome, total) {
      if (told.has(id)) return;
      told.add(id);
      underWay.delete(id);
      draw([`${shortId(id)}: ${outcome} (${formatSize(total, 3)})`]);
    },
    end() {
      underWay.clear();
      if (drawn > 0) draw([]);
    },
  };
}
