import { BuildError, type Descriptor, defined, type EventSink } from "../core/index.ts";
import { type ExportResult, type Output, pushCommitted } from "../exporter/index.ts";
import type { Engine } from "./engine.ts";
import type { BuildOptions } from "./options.ts";
import { outputsOf } from "./outputs.ts";
import { internalStep } from "./steps.ts";

type ImageOutput = Extract<Output, { type: "image" }>;

/** Finds out before anything is built that a push would have no image or no name. */
export function checkPush(options: BuildOptions): void {
  const { push, tags = [] } = options;
  const images = outputsOf(options).filter((output) => output.type === "image");
  if (push && images.length === 0)
    throw new BuildError("invalid-argument", "a push needs the image in the local store", {
      hint: "add the output type=image",
    });
  for (const output of images.filter((one) => isPushed(one, options)))
    if (output.push?.byDigest ? output.names.length === 0 : tags.length + output.names.length === 0)
      throw new BuildError("invalid-argument", "tag is needed when pushing to registry", {
        hint: output.push?.byDigest
          ? "name the repository in the output: name=REGISTRY/REPOSITORY"
          : "name the image with -t REGISTRY/REPOSITORY:TAG",
      });
}

function isPushed(output: Output, { push }: BuildOptions): output is ImageOutput {
  return output.type === "image" && (push === true || output.push !== undefined);
}

/**
 * Pushes each image that is to be pushed under each of its names. Returns what the metadata file says of it then:
 * digests of the pushed manifest, whose layers are compressed, and not of the local one.
 */
export async function pushAll(
  engine: Engine,
  options: BuildOptions,
  results: readonly ExportResult[],
  emit: EventSink,
  signal: AbortSignal,
): Promise<Readonly<Record<string, unknown>>> {
  let metadata: Readonly<Record<string, unknown>> = {};
  for (const [i, output] of outputsOf(options).entries()) {
    const result = results[i];
    if (!isPushed(output, options) || result?.image === undefined) continue;
    for (const name of result.names) {
      const target = await pushOne(engine, name, output, result.image, emit, signal);
      metadata = pushedMetadata(result.metadata, target);
    }
  }
  return metadata;
}

async function pushOne(
  engine: Engine,
  name: string,
  { push, image: attributes = {} }: ImageOutput,
  image: NonNullable<ExportResult["image"]>,
  emit: EventSink,
  signal: AbortSignal,
): Promise<Descriptor> {
  await engine.lease.begin();
  const registry = await engine.registry();
  const { compression } = attributes;
  return await internalStep(emit, `pushing ${name}`, async (step) => {
    const { target } = await pushCommitted(name, image, engine.store, registry, {
      signal,
      byDigest: push?.byDigest ?? false,
      ...defined({ compression }),
      onCompress: (id, size, done) =>
        step.status(`compressing ${id}`, done ? size : 0, { total: size, done }),
      onProgress: ({ id, current, total, state }) =>
        step.status(`${state === "uploading" ? "pushed" : state} ${id}`, current, {
          total,
          done: state !== "uploading",
        }),
    });
    step.status(`pushed ${target.digest}`, 0, { done: true });
    return target;
  });
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
