import { BuildError, digestOfFields } from "../core/index.ts";
import type { DiffOp, MergeOp } from "../llb/index.ts";
import type { LayerId } from "../snapshot/index.ts";
import type { Op } from "../solver/index.ts";
import { type Ref, snapshotOf } from "./ref.ts";

/** Stacks the inputs. Layers say by themselves what they hide, so nothing is computed. */
export function mergeOp(op: MergeOp): Op<Ref> {
  return {
    definitionKey: async (inputKeys) => stackKey("merge", op.inputs, inputKeys),
    async exec(inputs) {
      const layers = op.inputs.flatMap((index) => snapshotOf(inputs[index], "MergeOp").layers);
      return [{ kind: "snapshot", snapshot: { layers } }];
    },
  };
}

/** What `upper` has on top of `lower`; only where `lower` is what `upper` stands on. */
export function diffOp(op: DiffOp): Op<Ref> {
  return {
    definitionKey: async (inputKeys) => stackKey("diff", [op.lower ?? -1, op.upper ?? -1], inputKeys),
    async exec(inputs) {
      const lower = op.lower === undefined ? [] : snapshotOf(inputs[op.lower], "DiffOp").layers;
      const upper = op.upper === undefined ? [] : snapshotOf(inputs[op.upper], "DiffOp").layers;
      if (!isPrefix(lower, upper))
        throw new BuildError(
          "unimplemented",
          "DiffOp between filesystems of which one is not based on the other",
        );
      return [{ kind: "snapshot", snapshot: { layers: upper.slice(lower.length) } }];
    },
  };
}

function stackKey(
  kind: string,
  order: readonly number[],
  inputKeys: readonly (`sha256:${string}` | undefined)[],
) {
  if (inputKeys.includes(undefined)) return undefined;
  const key = digestOfFields(kind, 1, ...order, ...inputKeys);
  return {
    key,
    ingredients: inputKeys.map((value, index) => ({ name: `input ${index}`, value: value as string })),
  };
}

function isPrefix(lower: readonly LayerId[], upper: readonly LayerId[]): boolean {
  return lower.length <= upper.length && lower.every((id, index) => upper[index] === id);
}
