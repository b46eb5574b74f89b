import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { BuildError, type BuildEvent, type Digest, digestOfFields } from "../core/index.ts";
import { createSolver, type Edge, type KeyStore, type Op, type Vertex } from "./index.ts";
import { createMemoryKeyStore } from "./testing/memory-key-store.ts";

/** Vertices that count: constants, sums, and a parity whose key is what its input amounts to. */
type Arithmetic =
  | { kind: "constant"; value: number }
  | { kind: "file"; read: () => number }
  | { kind: "sum"; plus?: number; wait?: number; gate?: () => Promise<void> }
  | { kind: "parity" }
  | { kind: "fail" }
  | { kind: "unreadable" };

type Node = Vertex<Arithmetic>;

function vertex(sys: Arithmetic, inputs: readonly Node[] = [], extra: Partial<Node> = {}): Node {
  return {
    digest: digestOfFields(
      JSON.stringify(sys),
      ...inputs.map((input) => input.digest),
      String(extra.ignoreCache),
    ),
    name: `${sys.kind} ${"value" in sys ? sys.value : ""}`.trim(),
    sys,
    inputs: inputs.map((input) => ({ vertex: input, index: 0 })),
    ...extra,
  };
}

function edge(node: Node): Edge<Arithmetic> {
  return { vertex: node, index: 0 };
}

function opOf(sys: Arithmetic, log: string[], name: string): Op<number> {
  const key = (...fields: (string | number | undefined)[]) => ({
    key: digestOfFields(...fields),
    ingredients: [{ name: "definition", value: fields.join(" ") }],
  });
  const definition = async (inputKeys: readonly (Digest | undefined)[]) =>
    inputKeys.includes(undefined) ? undefined : key(sys.kind, "plus" in sys ? sys.plus : 0, ...inputKeys);
  switch (sys.kind) {
    case "constant":
      return { definitionKey: async () => key("constant", sys.value), exec: async () => [sys.value] };
    case "file":
      return { definitionKey: async () => undefined, exec: async () => [sys.read()] };
    case "sum":
      return {
        weight: 1,
        definitionKey: definition,
        contentKey: async (inputs, keys) =>
          keys.includes(undefined)
            ? key("sum of", sys.plus ?? 0, ...inputs)
            : key("sum", sys.plus ?? 0, ...keys),
        async exec(inputs, context) {
          log.push(name);
          await sys.gate?.();
          if (sys.wait !== undefined) await sleep(sys.wait, undefined, { signal: context.signal });
          return [inputs.reduce((a, b) => a + b, sys.plus ?? 0)];
        },
      };
    case "parity":
      return {
        definitionKey: definition,
        contentKey: async (inputs) => key("parity", (inputs[0] as number) % 2),
        async exec(inputs) {
          log.push(name);
          return [(inputs[0] as number) % 2];
        },
      };
    case "fail":
      return {
        definitionKey: definition,
        async exec() {
          throw new BuildError("unknown", "it broke");
        },
      };
    case "unreadable":
      return {
        definitionKey: definition,
        async contentKey() {
          throw new BuildError("not-found", "nothing to read");
        },
        exec: async () => [0],
      };
  }
}

function run(
  keys: KeyStore = createMemoryKeyStore(),
  options: { gone?: Set<number>; parallelism?: number } = {},
) {
  const log: string[] = [];
  const events: BuildEvent[] = [];
  const abort = new AbortController();
  let executions = 0;
  const solver = createSolver<Arithmetic, number>({
    resolveOp: (node) => opOf(node.sys, log, node.name),
    codec: {
      encode: (value) => ({ value }),
      decode: async (record) => {
        const { value } = record as { value: number };
        return options.gone?.has(value) ? undefined : value;
      },
    },
    keys,
    emit: (event) => events.push(event),
    signal: abort.signal,
    parallelism: options.parallelism ?? 4,
    beforeExecution: async () => {
      executions++;
    },
  });
  return { solver, log, events, abort, executions: () => executions };
}

test("a vertex is evaluated once, however many need it", async () => {
  const { solver, log } = run();
  const base = vertex({ kind: "sum", plus: 1 }, [], { name: "base" });
  const left = vertex({ kind: "sum", plus: 10 }, [base], { name: "left" });
  const right = vertex({ kind: "sum", plus: 100 }, [base], { name: "right" });
  const { result } = await solver.solve(edge(vertex({ kind: "sum" }, [left, right], { name: "top" })));
  assert.equal(result, 112);
  assert.deepEqual(log, ["base", "left", "right", "top"]);
});

test("a second build finds everything in the cache and prepares no execution", async () => {
  const keys = createMemoryKeyStore();
  const graph = vertex({ kind: "sum", plus: 2 }, [vertex({ kind: "sum", plus: 1 }, [], { name: "base" })]);
  const first = run(keys);
  const { created } = await first.solver.solve(edge(graph));
  const second = run(keys);
  const again = await second.solver.solve(edge(graph));
  assert.deepEqual(
    { result: again.result, cached: again.cached, created: again.created },
    { result: 3, cached: true, created },
  );
  assert.deepEqual(second.log, []);
  assert.equal(second.executions(), 0);
  const vertices = second.events.filter((event) => event.kind === "vertex");
  assert.equal(vertices.length, 2);
  assert.ok(vertices.every((event) => event.cached));
});

test("what only a cached vertex needed is not evaluated", async () => {
  const keys = createMemoryKeyStore();
  const base = vertex({ kind: "sum", plus: 1 }, [], { name: "base" });
  const top = vertex({ kind: "sum", plus: 2 }, [base], { name: "top" });
  await run(keys).solver.solve(edge(top));
  const second = run(keys, { gone: new Set([1]) });
  assert.equal((await second.solver.solve(edge(top))).result, 3);
  assert.deepEqual(second.log, []);
});

test("a peek tells what is known and executes nothing", async () => {
  const keys = createMemoryKeyStore();
  const base = vertex({ kind: "sum", plus: 1 }, [], { name: "base" });
  const top = vertex({ kind: "sum", plus: 2 }, [base], { name: "top" });
  const first = run(keys);
  const { created } = await first.solver.solve(edge(base));
  await first.solver.solve(edge(top));
  const second = run(keys);
  await second.solver.solve(edge(top));
  const known = await second.solver.peek(edge(base));
  assert.deepEqual([known?.result, known?.created, known?.cached], [1, created, true]);
  const third = run(keys, { gone: new Set([1]) });
  await third.solver.solve(edge(top));
  assert.equal(await third.solver.peek(edge(base)), undefined);
  assert.equal(await third.solver.peek(edge(vertex({ kind: "sum", plus: 9 }))), undefined);
  assert.deepEqual([...second.log, ...third.log], []);
});

test("a result that is gone is made again", async () => {
  const keys = createMemoryKeyStore();
  const top = vertex({ kind: "sum", plus: 2 }, [vertex({ kind: "sum", plus: 1 }, [], { name: "base" })], {
    name: "top",
  });
  await run(keys).solver.solve(edge(top));
  const second = run(keys, { gone: new Set([3]) });
  assert.equal((await second.solver.solve(edge(top))).result, 3);
  assert.deepEqual(second.log, ["top"]);
});

test("equal content is a hit although the definition differs", async () => {
  const keys = createMemoryKeyStore();
  const three = vertex({ kind: "parity" }, [vertex({ kind: "constant", value: 3 })], { name: "three" });
  const five = vertex({ kind: "parity" }, [vertex({ kind: "constant", value: 5 })], { name: "five" });
  const after = (node: Node) => vertex({ kind: "sum", plus: 7 }, [node], { name: "after" });
  await run(keys).solver.solve(edge(after(three)));
  const second = run(keys);
  const { result, cached } = await second.solver.solve(edge(after(five)));
  assert.deepEqual({ result, cached, log: second.log }, { result: 8, cached: true, log: [] });
});

test("a source without a key is read each time, and its content decides", async () => {
  const keys = createMemoryKeyStore();
  let value = 1;
  const graph = () =>
    vertex({ kind: "sum", plus: 1 }, [vertex({ kind: "file", read: () => value })], { name: "top" });
  assert.equal((await run(keys).solver.solve(edge(graph()))).result, 2);
  const same = run(keys);
  await same.solver.solve(edge(graph()));
  assert.deepEqual(same.log, []);
  value = 4;
  const changed = run(keys);
  assert.equal((await changed.solver.solve(edge(graph()))).result, 5);
  assert.deepEqual(changed.log, ["top"]);
});

test("ignoring the cache runs a vertex again, and its children with it", async () => {
  const keys = createMemoryKeyStore();
  const graph = (ignoreCache: boolean) =>
    vertex({ kind: "sum", plus: 2 }, [vertex({ kind: "sum", plus: 1 }, [], { name: "base", ignoreCache })], {
      name: "top",
    });
  await run(keys).solver.solve(edge(graph(false)));
  const forced = run(keys);
  await forced.solver.solve(edge(graph(true)));
  assert.deepEqual(forced.log, ["base", "top"]);
  const after = run(keys);
  await after.solver.solve(edge(graph(false)));
  assert.deepEqual(after.log, [], "the forced run is what the cache now has");
});

test("independent vertices run at once, bounded by the parallelism", async () => {
  for (const [parallelism, expected] of [
    [4, 3],
    [2, 2],
  ] as const) {
    let now = 0;
    let most = 0;
    const gate = async () => {
      most = Math.max(most, ++now);
      await sleep(20);
      now--;
    };
    const parts = [1, 2, 3].map((plus) => vertex({ kind: "sum", plus, gate }, [], { name: `part ${plus}` }));
    await run(undefined, { parallelism }).solver.solve(edge(vertex({ kind: "sum" }, parts)));
    assert.equal(most, expected);
  }
});

test("what a chain of content keys needs is made at once", async () => {
  let now = 0;
  let most = 0;
  const gate = async () => {
    most = Math.max(most, ++now);
    await sleep(20);
    now--;
  };
  const part = (plus: number) => vertex({ kind: "sum", plus, gate }, [], { name: `part ${plus}` });
  const chain = (links: number): Node =>
    links === 0
      ? part(0)
      : vertex({ kind: "sum" }, [chain(links - 1), part(links)], { name: `link ${links}` });
  const { result } = await run().solver.solve(edge(chain(3)));
  assert.equal(result, 6);
  assert.equal(most, 4);
});

test("what a chain of content keys has in the cache is not made, although its start changed", async () => {
  const keys = createMemoryKeyStore();
  const chain = (start: number) => {
    const parts = [1, 2].map((plus) => vertex({ kind: "sum", plus }, [], { name: `part ${plus}` }));
    const first = vertex({ kind: "constant", value: start }, [], { name: "start" });
    return parts.reduce(
      (below, part, i) => vertex({ kind: "sum" }, [below, part], { name: `link ${i}` }),
      first,
    );
  };
  await run(keys).solver.solve(edge(chain(1)));
  const { solver, log } = run(keys);
  assert.equal((await solver.solve(edge(chain(5)))).result, 8);
  assert.deepEqual(log, ["link 0", "link 1"]);
});

test("the first failure is the one reported, and it cancels the rest", async () => {
  const { solver, events } = run();
  const slow = vertex({ kind: "sum", plus: 1, wait: 60_000 }, [], { name: "slow" });
  const first = vertex({ kind: "sum", plus: 2, wait: 10 }, [], { name: "first" });
  const broken = vertex({ kind: "fail" }, [first], { name: "broken" });
  await assert.rejects(solver.solve(edge(vertex({ kind: "sum" }, [slow, broken]))), (error: BuildError) => {
    assert.equal(error.message, "it broke");
    assert.equal(error.details.step, "broken");
    assert.equal(error.details.vertex, broken.digest);
    return true;
  });
  await sleep(5);
  const errors = events.flatMap((event) =>
    event.kind === "vertex" && event.error ? [`${event.name}: ${event.error}`] : [],
  );
  assert.deepEqual(errors, ["broken: it broke", "slow: canceled"]);
});

test("a failure is told when everything that it stops has ended", async () => {
  const { solver } = run();
  let ended = false;
  const slow = vertex({
    kind: "sum",
    gate: async () => {
      await sleep(50);
      ended = true;
    },
  });
  const soon = vertex({ kind: "sum", plus: 3, wait: 10 });
  const both = vertex({ kind: "sum", plus: 1 }, [vertex({ kind: "fail" }, [soon]), slow]);
  await assert.rejects(solver.solve(edge(both)), { message: /./ });
  assert.ok(ended);
});

test("a vertex whose key cannot be made has failed itself", async () => {
  const { solver, events } = run();
  const broken = vertex({ kind: "unreadable" }, [], { name: "broken" });
  await assert.rejects(solver.solve(edge(vertex({ kind: "sum" }, [broken]))), (error: BuildError) => {
    assert.equal(error.message, "nothing to read");
    assert.equal(error.details.vertex, broken.digest);
    return true;
  });
  const errors = events.flatMap((event) =>
    event.kind === "vertex" && event.error ? [`${event.name}: ${event.error}`] : [],
  );
  assert.deepEqual(errors, ["broken: nothing to read"]);
});

test("an abort from outside is a cancellation", async () => {
  const { solver, abort } = run();
  const solved = solver.solve(edge(vertex({ kind: "sum", plus: 1, wait: 60_000 })));
  setTimeout(() => abort.abort(new Error("Ctrl-C")), 10);
  await assert.rejects(solved, (error: BuildError) => error.code === "canceled");
});

test("two solvers on one store do the same work once", async () => {
  const keys = createMemoryKeyStore();
  const graph = vertex({ kind: "sum", plus: 1, wait: 30 }, [], { name: "slow" });
  const [one, two] = [run(keys), run(keys)];
  await Promise.all([one.solver.solve(edge(graph)), two.solver.solve(edge(graph))]);
  assert.deepEqual([...one.log, ...two.log], ["slow"]);
});
