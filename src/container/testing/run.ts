/** Runs a container as the command line does. Arguments: a directory with `layer/`, and the options as JSON, `runtime` among them. */
import { join } from "node:path";
import { createExecutor } from "../../executor/index.ts";
import { runAttached } from "../attach.ts";
import { createContainer } from "../draft.ts";
import { openContainers } from "../store.ts";

const [base, text] = process.argv.slice(2) as [string, string];
const { config, runtime, ...options } = JSON.parse(text);
const containers = openContainers(base);
const executor = await createExecutor({ stateDir: join(base, "run"), runtime });
try {
  const digest = `sha256:${"0".repeat(64)}` as const;
  const image = { name: "test", id: digest, manifest: digest, snapshot: { layers: [] }, config };
  const container = await createContainer(containers, image, { autoRemove: true, ...options });
  process.exitCode = await runAttached(container, {
    containers,
    layers: { directories: async () => [join(base, "layer")] },
    executor,
    signal: new AbortController().signal,
  });
} finally {
  executor.close();
}
