import { readFileSync } from "node:fs";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { readTar, type TarEntry } from "./tar.ts";

/** An image out of an OCI archive (a tar of an OCI layout), taken apart. */
export interface ExportedImage {
  readonly manifest: {
    readonly layers: readonly { readonly digest: string; readonly mediaType: string }[] | null;
  };
  readonly config: ImageConfig;
  /** Entries of each layer, base first, in the order of the layer's archive. */
  readonly layers: readonly (readonly TarEntry[])[];
}

export interface ImageConfig {
  readonly rootfs: { readonly diff_ids: readonly string[] | null };
  readonly history?: readonly Readonly<Record<string, unknown>>[];
  readonly [key: string]: unknown;
}

interface Descriptor {
  readonly digest: string;
  readonly mediaType: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Reads the first image of an OCI archive; attestations beside it are passed over. */
export function readOciArchive(file: string): ExportedImage {
  const files = new Map(readTar(readFileSync(file)).map((entry) => [entry.path, entry.data]));
  const blob = (digest: string) => {
    const data = files.get(`blobs/${digest.replace(":", "/")}`);
    if (data === undefined) throw new Error(`${file}: no blob ${digest}`);
    return data;
  };
  const json = (data: Buffer | undefined) => JSON.parse((data ?? Buffer.alloc(0)).toString());
  let descriptor: Descriptor = json(files.get("index.json")).manifests[0];
  while (descriptor.mediaType.includes("index") || descriptor.mediaType.includes("manifest.list"))
    descriptor = json(blob(descriptor.digest)).manifests.find((item: Descriptor) => !isAttestation(item));
  const manifest = json(blob(descriptor.digest)) as ExportedImage["manifest"] & { config: Descriptor };
  return {
    manifest,
    config: json(blob(manifest.config.digest)) as ImageConfig,
    layers: (manifest.layers ?? []).map(({ digest }) => readTar(decompress(blob(digest)))),
  };
}

function isAttestation(item: Descriptor): boolean {
  return item.annotations?.["vnd.docker.reference.type"] === "attestation-manifest";
}

function decompress(data: Buffer): Buffer {
  if (data[0] === 0x1f && data[1] === 0x8b) return gunzipSync(data);
  if (data.readUInt32LE(0) === 0xfd2fb528) return zstdDecompressSync(data);
  return data;
}
