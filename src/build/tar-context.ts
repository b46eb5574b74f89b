import { BuildError, type Bytes, decompressed } from "../core/index.ts";
import type { Snapshot } from "../snapshot/index.ts";
import type { Engine } from "./engine.ts";

/**
 * Makes a layer of a tar, however it is compressed, in one pass. What the archive says is judged before any of it is
 * believed; device nodes are refused.
 */
export async function snapshotOfTar(
  data: Bytes,
  { store, codec }: Pick<Engine, "store" | "codec">,
  signal: AbortSignal,
  progress: (size: number, done: boolean) => void = () => undefined,
): Promise<Snapshot> {
  await codec.activate();
  let size = 0;
  const counted = async function* (): Bytes {
    for await (const piece of decompressed(data)) {
      size += piece.length;
      progress(size, false);
      yield piece;
    }
  };
  try {
    const blob = await store.content.ingest(counted(), {}, signal);
    const layer = await store.layers.fromTar(blob, { refuseDevices: true, signal });
    progress(size, true);
    return { layers: [layer] };
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    const message = error.message.replace(/^layer sha256:[0-9a-f]+: /, "");
    throw new BuildError(error.code, `the tar of the build context: ${message}`, {
      hint: error.hint,
      cause: error,
    });
  }
}
