import assert from "node:assert/strict";
import { test } from "node:test";
import { transferDisplay } from "./transfers.ts";

const one = "sha256:111111111111aaaa";
const two = "sha256:222222222222bbbb";

function screen(columns?: number) {
  let text = "";
  let time = 0;
  const terminal = {
    write: (more: string) => {
      text += more;
    },
    size: () => (columns === undefined ? undefined : { columns, rows: 24 }),
    color: false,
  };
  const display = transferDisplay(terminal, () => time);
  return {
    display,
    /** What was written since the last time. */
    written(): string {
      const before = text;
      text = "";
      return before;
    },
    wait: (milliseconds: number) => {
      time += milliseconds;
    },
  };
}

test("in a pipe, a line for each blob that is through, and once", () => {
  const { display, written } = screen();
  display.moving(one, 5, 10);
  display.through(one, "Pull complete", 10);
  display.through(one, "Pull complete", 10);
  display.moving(one, 10, 10);
  display.end();
  assert.equal(written(), "111111111111: Pull complete (10B)\n");
});

test("on a terminal, what is under way is redrawn below, ten times a second at most", () => {
  const { display, written, wait } = screen(80);
  display.moving(one, 0, 1000);
  assert.equal(written(), "111111111111: 0B / 1kB\n");
  display.moving(one, 100, 1000);
  display.moving(two, 0, 2000);
  assert.equal(written(), "");
  wait(100);
  display.moving(one, 200, 1000);
  assert.equal(written(), "\u001b[1A\r\u001b[J111111111111: 200B / 1kB\n222222222222: 0B / 2kB\n");
  display.through(one, "Pushed", 1000);
  assert.equal(written(), "\u001b[2A\r\u001b[J111111111111: Pushed (1kB)\n222222222222: 0B / 2kB\n");
  display.end();
  assert.equal(written(), "\u001b[1A\r\u001b[J");
});

test("a line is no wider than the terminal", () => {
  const { display, written } = screen(12);
  display.moving(one, 0, 1000);
  assert.equal(written(), "11111111111\n");
});
