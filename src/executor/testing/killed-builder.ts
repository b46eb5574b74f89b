/**
 * A process that runs one step until it is killed. Arguments: state directory, layer, runtime, command. Prints "started" once
 * the step did.
 */
import { createExecutor } from "../executor.ts";

// The test may be killed itself.
process.stdin.resume().on("close", () => process.exit(1));

const [stateDir, layer, runtime, command] = process.argv.slice(2) as [string, string, string, string];
const executor = await createExecutor({ stateDir, runtime });
await executor.run(
  { lowers: [layer], upper: executor.createUpper() },
  { args: ["/bin/sh", "-c", command], env: [], cwd: "/", user: "", network: "default" },
  [],
  { stdin: "ignore", onOutput: (_stream, data) => void process.stdout.write(data) },
  new AbortController().signal,
);
process.stdout.write("ended\n");
