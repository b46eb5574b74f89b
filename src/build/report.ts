import type { StageResult } from "../frontend/index.ts";
import type { LayerStore } from "../layer/index.ts";
import type { LayerId, Snapshot } from "../snapshot/index.ts";

/** What became of one stage. Sizes are sums of file sizes in bytes. */
export interface StageReport {
  readonly index: number;
  /** The stage's name, or `stage-<index>`. */
  readonly label: string;
  /** What it starts from, as FROM says. */
  readonly base: string;
  readonly needed: boolean;
  /** Why it was skipped; empty when it was not. */
  readonly reason: string;
  readonly target: boolean;
  /** Undefined when it was skipped, or when nothing of it had to be looked at. */
  readonly size: number | undefined;
}

/** The stages of a build, and what the image has of them. */
export interface SizeReport {
  readonly stages: readonly StageReport[];
  readonly imageSize: number;
  readonly imageLayers: number;
  /** What the other stages hold that is not in the image; each layer counts once. */
  readonly leftBehind: number;
}

/** Adds up the sizes of stages from the records of their layers. */
export function sizeReport(
  stages: readonly StageResult[],
  target: number,
  snapshots: ReadonlyMap<number, Snapshot>,
  layers: LayerStore,
): SizeReport {
  const sizes = new Map<LayerId, number>();
  const sizeOf = (id: LayerId): number => {
    let size = sizes.get(id);
    if (size === undefined) {
      size = layers.record(id)?.contentSize ?? 0;
      sizes.set(id, size);
    }
    return size;
  };
  const total = (ids: Iterable<LayerId>) => [...ids].reduce((sum, id) => sum + sizeOf(id), 0);
  const image = new Set(snapshots.get(target)?.layers ?? []);
  const everything = new Set([...snapshots.values()].flatMap((snapshot) => snapshot.layers));
  return {
    stages: stages.map((stage) => {
      const snapshot = snapshots.get(stage.index);
      return {
        index: stage.index,
        label: stage.name === "" ? `stage-${stage.index}` : stage.name,
        base: stage.baseName,
        needed: stage.needed,
        reason: stage.reason,
        target: stage.index === target,
        size: snapshot === undefined ? undefined : total(snapshot.layers),
      };
    }),
    imageSize: total(image),
    imageLayers: snapshots.get(target)?.layers.length ?? 0,
    leftBehind: total([...everything].filter((id) => !image.has(id))),
  };
}
