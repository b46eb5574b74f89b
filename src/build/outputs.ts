import { BuildError, defined, type EventSink, formatPlatform } from "../core/index.ts";
import { type ExportResult, type ExportSource, exportResult, type Output } from "../exporter/index.ts";
import type { Engine } from "./engine.ts";
import type { BuildOptions } from "./options.ts";
import { internalStep, type StepProgress } from "./steps.ts";

/** Where a build's result goes when nothing is said: into the local store. */
export function outputsOf({ outputs }: BuildOptions): readonly Output[] {
  return outputs ?? [{ type: "image", names: [] }];
}

/** Brings the result of a build to each of its outputs, one after the other. */
export async function exportAll(
  engine: Engine,
  source: ExportSource,
  options: BuildOptions,
  emit: EventSink,
  signal: AbortSignal,
): Promise<readonly ExportResult[]> {
  const results: ExportResult[] = [];
  for (const output of outputsOf(options)) {
    const result = await internalStep(emit, exportName(output), async (step) => {
      const exported = await exportResult(source, output, engine.store, {
        signal,
        ...defined({
          names: options.tags,
          annotations: options.annotations,
          stdout: options.stdout,
          cwd: options.cwd,
        }),
      });
      tell(step, exported);
      return exported;
    });
    if (output.type === "image") checkComplete(engine, result);
    results.push(result);
  }
  return results;
}

function tell(step: StepProgress, { image, names, skipped }: ExportResult): void {
  const done = { done: true };
  const several = image !== undefined && image.images.length > 1;
  image?.images.forEach((one, i) => {
    const platform = several ? ` for ${formatPlatform(image.platforms[i]!)}` : "";
    step.status(`writing image ${one.id}${platform}`, 0, done);
  });
  if (image !== undefined && image.target.digest !== image.images[0]?.manifestDescriptor.digest)
    step.status(`exporting manifest list ${image.target.digest}`, 0, done);
  for (const name of names) step.status(`naming to ${name}`, 0, done);
  for (const path of skipped) step.status(`left out, it cannot be a file here: ${path}`, 0, done);
}

function exportName(output: Output): string {
  switch (output.type) {
    case "image":
      return "exporting to image";
    case "oci":
    case "docker":
      return `exporting to ${output.type} image format`;
    case "tar":
      return "exporting to a tar of the root filesystem";
    case "local":
      return "exporting to client directory";
    case "cacheonly":
      return "exporting nothing";
  }
}

/**
 * A build without a lease may be overtaken by garbage collection. Its image is named by now, so collection from here on
 * leaves it alone; what went before is missed here.
 */
function checkComplete({ store }: Engine, { image }: ExportResult): void {
  const images = image?.images ?? [];
  const blobs = images.flatMap(({ manifestDescriptor, manifest }) => [
    manifestDescriptor,
    manifest.config,
    ...manifest.layers,
  ]);
  if (blobs.some(({ digest }) => store.content.stat(digest) === undefined))
    throw new BuildError("aborted", "part of the image was removed while the build was using it");
}

/** What a build says of its exports: the image, if there is one, and its names. */
export function summary(results: readonly ExportResult[]): {
  readonly imageId: string | undefined;
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
} {
  const image = results.find((result) => result.image !== undefined)?.image;
  const [first] = image?.images ?? [];
  const isIndex = image?.target.digest !== first?.manifestDescriptor.digest;
  return {
    imageId: isIndex ? image?.target.digest : first?.id,
    names: [...new Set(results.flatMap(({ names }) => names))],
    metadata: Object.assign({}, ...results.map(({ metadata }) => metadata)),
  };
}
