import { BuildError } from "../../core/index.ts";
import type { Display, Terminal } from "./display.ts";
import { plainDisplay } from "./plain.ts";
import { rawJsonDisplay } from "./raw-json.ts";
import { ttyDisplay } from "./tty.ts";

export type { Display, Terminal } from "./display.ts";

const kinds = ["auto", "tty", "plain", "rawjson", "quiet", "none"] as const;
export type ProgressKind = (typeof kinds)[number];

/** Checks the value of `--progress`. `quiet` prints the image id at the end, `none` does not. */
export function progressKind(text: string): ProgressKind {
  const kind = kinds.find((one) => one === text);
  if (kind !== undefined) return kind;
  throw new BuildError("invalid-argument", `invalid progress mode ${JSON.stringify(text)}`, {
    hint: `there are ${kinds.join(", ")}`,
  });
}

/** The display of a kind; `auto` is the live one on a terminal and lines everywhere else. */
export function createDisplay(kind: ProgressKind, out: Terminal): Display {
  switch (kind) {
    case "quiet":
    case "none":
      return { event() {}, end() {} };
    case "rawjson":
      return rawJsonDisplay(out);
    case "plain":
      return plainDisplay(out);
    case "tty":
      return ttyDisplay(out);
    case "auto":
      return out.size() === undefined ? plainDisplay(out) : ttyDisplay(out);
  }
}

/** Standard error as a terminal, or as what stands in for one. Colours obey NO_COLOR. */
export function stderrTerminal(): Terminal {
  return terminalOf(process.stderr);
}

/** The same of standard output, where the classic builder prints. */
export function stdoutTerminal(): Terminal {
  return terminalOf(process.stdout);
}

function terminalOf(stream: NodeJS.WriteStream): Terminal {
  return {
    write: (text) => {
      stream.write(text);
    },
    size: () => (stream.isTTY ? { columns: stream.columns || 80, rows: stream.rows || 24 } : undefined),
    color: stream.isTTY === true && !process.env.NO_COLOR,
  };
}
