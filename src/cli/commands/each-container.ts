import { type Container, type ContainerStore, openContainers } from "../../container/index.ts";
import { toBuildError } from "../../core/index.ts";
import type { Call } from "../command.ts";
import { errorText } from "../error-text.ts";
import { storeOf } from "./common.ts";

/**
 * Does something with each container that the call names, and prints the name as it was given, or the error. Returns the
 * exit code.
 */
export async function eachContainer(
  call: Call,
  act: (container: Container, containers: ContainerStore) => Promise<void>,
  options: { readonly missingIsFine?: boolean } = {},
): Promise<number> {
  const containers = openContainers(storeOf(call).root);
  let failed = false;
  for (const text of call.args) {
    try {
      await act(containers.find(text), containers);
      process.stdout.write(`${text}\n`);
    } catch (error) {
      const failure = toBuildError(error);
      process.stderr.write(errorText(failure));
      failed ||= !(options.missingIsFine && failure.code === "not-found");
    }
  }
  return failed ? 1 : 0;
}
