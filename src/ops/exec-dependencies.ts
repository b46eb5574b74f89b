import type { Executor } from "../executor/index.ts";
import type { LayerStore } from "../layer/index.ts";

export interface ExecDependencies {
  readonly layers: LayerStore;
  /** Called at the first step that really runs; always gives the same one. */
  readonly executor: () => Promise<Executor>;
  /** Root of the store: logs and cache mounts are kept there. */
  readonly root: string;
}
