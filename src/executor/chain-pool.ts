import type { Namespace } from "../stacking/index.ts";
import { type Chain, type ChainStreams, spawnChain } from "./chain.ts";
import type { Tools } from "./runtime.ts";

/** Hands out chains, with one made ready ahead of the next step. */
export interface ChainPool {
  take(streams: ChainStreams): Chain;
  /** Makes the next one ready, unless there is one. */
  prepare(): void;
  close(): void;
}

/**
 * How long a chain may wait. Its namespaces show the machine's mounts as they were when it was made, and keep filesystems that
 * are unmounted meanwhile in use.
 */
const freshMs = 5_000;

const usual: ChainStreams = { stdin: "ignore", stdout: "events" };

/**
 * Making a chain takes about 5 ms: three programs are loaded and namespaces made, which needs nothing of the step. So
 * while one step runs the chain of the next one is made.
 */
export function openChainPool(tools: Tools, directory: string, namespace: Namespace | undefined): ChainPool {
  let spare: Chain | undefined;
  let expiry: NodeJS.Timeout | undefined;
  let open = true;

  const discard = (): void => {
    clearTimeout(expiry);
    spare?.kill();
    spare = undefined;
  };
  return {
    take(streams) {
      const isUsual =
        streams.stdin === "ignore" &&
        (streams.stdout ?? "events") === "events" &&
        streams.terminal === undefined;
      const chain = isUsual ? spare : undefined;
      if (chain === undefined) return spawnChain(tools, directory, streams, namespace);
      clearTimeout(expiry);
      spare = undefined;
      chain.hold(true);
      return chain;
    },
    prepare() {
      if (spare !== undefined || !open) return;
      const chain = spawnChain(tools, directory, usual, namespace);
      chain.hold(false);
      const forget = (): void => {
        if (spare === chain) spare = undefined;
      };
      chain.exited.then(forget, forget);
      spare = chain;
      expiry = setTimeout(discard, freshMs).unref();
    },
    close() {
      open = false;
      discard();
    },
  };
}
