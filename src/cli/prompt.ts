import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { BuildError } from "../core/index.ts";

/** Asks for one line after the other on a terminal. */
export interface Prompt {
  /** The line that is typed; with `hidden`, it is not shown. Throws `canceled` on Ctrl-C and Ctrl-D. */
  ask(question: string, options?: { readonly hidden: boolean }): Promise<string>;
  /** Leaves the terminal as it was. */
  close(): void;
}

/** Opens the terminal on standard input; what is asked goes to standard error. */
export function openPrompt(): Prompt {
  let isHidden = false;
  const output = new Writable({
    write(chunk, _, done) {
      if (!isHidden) process.stderr.write(chunk);
      done();
    },
  });
  const reader = createInterface({ input: process.stdin, output, terminal: true, historySize: 0 });
  reader.on("SIGINT", () => reader.close());
  // Kept from the first to the last question: what is typed ahead is the next answer.
  const lines = reader[Symbol.asyncIterator]();
  return {
    async ask(question, { hidden } = { hidden: false }) {
      reader.setPrompt(question);
      reader.prompt();
      isHidden = hidden;
      const { done, value } = await lines.next();
      isHidden = false;
      if (hidden || done) process.stderr.write("\n");
      if (done) throw new BuildError("canceled", "nothing was entered");
      return value;
    },
    close: () => reader.close(),
  };
}
