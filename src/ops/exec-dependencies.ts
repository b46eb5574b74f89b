import type { Executor } from "../executor/index.ts";
import type { LayerStore } from "../layer/index.ts";
import type { Session } from "../session/index.ts";

export interface ExecDependencies {
  readonly layers: LayerStore;
  /** Called at the first step that really runs; always gives the same one. */
  readonly executor: () => Promise<Executor>;
  /** What the caller lends the build. Opened for the first step that really runs. */
  readonly session: () => Promise<Session>;
  /** What the caller grants steps, by BuildKit's names (`security.insecure`). */
  readonly entitlements: ReadonlySet<string>;
  /** Root of the store: logs and cache mounts are kept there. */
  readonly root: string;
}
