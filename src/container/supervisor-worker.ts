/**
 * The process that a detached container runs under. Arguments: root of the store, id of the container. Signals are
 * passed on to the container; when this process is killed, the container dies with it.
 */
import { closeSync, writeSync } from "node:fs";
import { join } from "node:path";
import { openContentStore } from "../content/index.ts";
import { defined, toBuildError } from "../core/index.ts";
import { createExecutor } from "../executor/index.ts";
import { openLayerStore } from "../layer/index.ts";
import type { StartReport } from "./detached.ts";
import { runContainer } from "./run.ts";
import { forwardSignals } from "./signals.ts";
import { openContainers } from "./store.ts";

const reportTo = 3;
const [root = "", id = ""] = process.argv.slice(2);

let reported = false;
function report(what: StartReport): void {
  if (reported) return;
  reported = true;
  try {
    writeSync(reportTo, JSON.stringify(what));
    closeSync(reportTo);
  } catch {
    // Whoever started us did not wait.
  }
}

try {
  const containers = openContainers(root);
  const container = containers.find(id);
  const executor = await createExecutor({ stateDir: join(root, "run") });
  const signals = forwardSignals(() => executor.kill());
  try {
    const exitCode = await runContainer(
      container,
      {
        containers,
        layers: openLayerStore(openContentStore(root)),
        executor,
        signal: new AbortController().signal,
      },
      {
        onStart: (step) => signals.connect(step.forward),
        onProgram: () => report({ started: true }),
      },
    );
    report({ exitCode });
  } finally {
    signals.end();
    executor.close();
  }
} catch (error) {
  const { code, message, hint } = toBuildError(error);
  report({ error: { code, message, ...defined({ hint }) } });
}
