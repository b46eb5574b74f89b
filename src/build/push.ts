import { BuildError, type Descriptor, type EventSink } from "../core/index.ts";
import { type ExportResult, type Output, pushImage } from "../exporter/index.ts";
import type { Engine } from "./engine.ts";
import type { BuildOptions } from "./options.ts";
import { internalStep } from "./steps.ts";

/** Finds out before anything is built that a push would have no image or no name. */
export function checkPush({ push, outputs = [{ type: "image", names: [] }], tags = [] }: BuildOptions): void {
  if (!push) return;
  const images = outputs.filter((output) => output.type === "image");
  if (images.length === 0)
    throw new BuildError("invalid-argument", "a push needs the image in the local store", {
      hint: "add the output type=image",
    });
  if (tags.length === 0 && images.every(({ names }) => names.length === 0))
    throw new BuildError("invalid-argument", "tag is needed when pushing to registry", {
      hint: "name the image with -t REGISTRY/REPOSITORY:TAG",
    });
}

/**
 * Pushes the image under each of its names. Returns what the metadata file says of it then: digests of the pushed
 * manifest, whose layers are compressed, and not of the local one.
 */
export async function pushAll(
  engine: Engine,
  outputs: readonly Output[],
  results: readonly ExportResult[],
  emit: EventSink,
  signal: AbortSignal,
): Promise<Readonly<Record<string, unknown>>> {
  await engine.lease.begin();
  const registry = await engine.registry();
  const images = results.filter((_, i) => outputs[i]?.type === "image");
  let metadata: Readonly<Record<string, unknown>> = {};
  for (const name of new Set(images.flatMap(({ names }) => names)))
    await internalStep(emit, `pushing ${name}`, async (step) => {
      const { target } = await pushImage(name, engine.store, registry, {
        signal,
        onProgress: ({ id, current, total, state }) =>
          step.status(`${state === "uploading" ? "pushed" : state} ${id}`, current, {
            total,
            done: state !== "uploading",
          }),
      });
      step.status(`pushed ${target.digest}`, 0, { done: true });
      metadata = pushedMetadata(images[0]?.metadata ?? {}, target);
    });
  return metadata;
}

function pushedMetadata(
  local: Readonly<Record<string, unknown>>,
  target: Descriptor,
): Readonly<Record<string, unknown>> {
  const described = local["containerimage.descriptor"] as Readonly<Record<string, unknown>>;
  return {
    "containerimage.descriptor": { ...described, ...target },
    "containerimage.digest": target.digest,
  };
}
