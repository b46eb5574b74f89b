import { BuildError } from "../core/index.ts";
import type { LayerStore } from "../layer/index.ts";
import type { Lease } from "../names/index.ts";
import type { LayerId } from "../snapshot/index.ts";
import type { ResultCodec } from "../solver/index.ts";
import type { Ref } from "./ref.ts";

/** The codec of results, and the lease on the layers that it meets. */
export interface RefCodec extends ResultCodec<Ref> {
  /**
   * Leases every layer that was decoded so far, and from now on each one at once. Called before the first step runs;
   * until then nothing is written, because a rebuild that only reads needs no lease. Throws `aborted` when garbage
   * collection was quicker: the build then starts again.
   */
  activate(): Promise<void>;
  /** Whether `activate` was called. */
  readonly active: boolean;
  /** Leases the layers of a new result. Throws `aborted` when one of them is gone. */
  hold(ref: Ref): Promise<void>;
}

/** Records of snapshots are their layers' ids; scanned directories are never recorded. */
export function createRefCodec(layers: LayerStore, lease: Lease): RefCodec {
  const met = new Set<LayerId>();
  const present = new Map<LayerId, boolean>();
  let active = false;

  function isThere(id: LayerId): boolean {
    let known = present.get(id);
    if (known === undefined) {
      known = layers.record(id) !== undefined;
      present.set(id, known);
    }
    return known;
  }

  async function holdAll(ids: readonly LayerId[]): Promise<boolean> {
    return lease.hold(
      ids.map((id) => `layer:${id}` as const),
      () => ids.every((id) => layers.record(id) !== undefined),
    );
  }

  return {
    get active() {
      return active;
    },
    encode: (ref) => (ref.kind === "snapshot" ? { layers: ref.snapshot.layers } : null),
    async decode(record) {
      const ids = layersOf(record);
      if (ids === undefined || !ids.every(isThere)) return undefined;
      if (active && !(await holdAll(ids))) return undefined;
      for (const id of ids) met.add(id);
      return { kind: "snapshot", snapshot: { layers: ids } };
    },
    async activate() {
      active = true;
      await lease.begin();
      if (!(await holdAll([...met]))) throw gone();
    },
    async hold(ref) {
      if (ref.kind === "snapshot" && !(await holdAll(ref.snapshot.layers))) throw gone();
    },
  };
}

function layersOf(record: unknown): LayerId[] | undefined {
  const ids = (record as { layers?: unknown } | null)?.layers;
  if (!Array.isArray(ids) || !ids.every((id) => typeof id === "string" && /^[0-9a-f]{32}$/.test(id)))
    return undefined;
  return ids as LayerId[];
}

function gone(): BuildError {
  return new BuildError("aborted", "a cached layer was removed while the build was using it");
}
