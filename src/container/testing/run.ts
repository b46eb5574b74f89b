/** Runs a container as the command line does. Arguments: a directory with `layer/`, and the options as JSON. */
import { join } from "node:path";
import { createExecutor } from "../../executor/index.ts";
import { runContainer } from "../run.ts";

const [base, options] = process.argv.slice(2) as [string, string];
const executor = await createExecutor({ stateDir: join(base, "run") });
try {
  process.exitCode = await runContainer(JSON.parse(options), {
    layers: { directories: async () => [join(base, "layer")] },
    executor,
    signal: new AbortController().signal,
  });
} finally {
  executor.close();
}
