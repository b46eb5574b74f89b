import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BaseImage, BaseName } from "./base.ts";
import type { BuildxResult, PrintedVertex, PrintedWarning } from "./buildx.ts";
import type { CallRecords } from "./calls.ts";
import { type Case, readCase } from "./case.ts";
import type { ExportedImage, ImageConfig } from "./export.ts";
import { changesFrom, type ListingEntry, listRootfs } from "./listing.ts";
import type { TarEntry } from "./tar.ts";

/** Facts about a real BuildKit, one file a case, committed. */

export interface Versions {
  readonly buildkit: string;
  readonly docker: string;
  readonly buildx: string;
  readonly platform: string;
}

export interface CaseRecord {
  readonly case: string;
  readonly title: string;
  readonly versions: Versions;
  /** All that the build was given beside the files of the context. */
  readonly inputs: Pick<Case, "target" | "buildArgs" | "labels" | "steps"> & {
    readonly dockerfile: string;
    readonly dockerignore?: string;
  };
  /** `local.session` of every local source: the client's session id. */
  readonly session?: string;
  readonly vertices: readonly PrintedVertex[];
  readonly warnings: readonly PrintedWarning[];
  /** Output of the steps that printed something, by vertex digest. */
  readonly logs: Readonly<Record<string, string>>;
  /** What `--call` printed. */
  readonly calls: CallRecords;
  /** What the command said, when the build failed; everything below is absent then. */
  readonly failure?: string;
  /** The operations as BuildKit's provenance describes them. */
  readonly llb?: unknown;
  /** Image configuration without times and diff ids. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Entries of the layers that the build added, as the archives have them. */
  readonly layers?: readonly (readonly LayerEntry[])[];
  /** The root filesystem, as changes over the image it starts from. */
  readonly rootfs?: {
    readonly base?: BaseName;
    readonly changed: readonly ListingEntry[];
    readonly removed: readonly string[];
  };
}

/** `path` as a string of bytes, with whiteouts as they are in the archive. */
export interface LayerEntry {
  readonly path: string;
  readonly type: TarEntry["type"];
  readonly mode: string;
  readonly owner: string;
  readonly target?: string;
}

export interface BasesRecord {
  readonly images: readonly BaseImage[];
}

export const recordedDirectory = join(import.meta.dirname, "recorded");

/** Makes the record of one build. `since` is when recording began, in seconds: later times are not facts. */
export function caseRecord(facts: {
  name: string;
  context: string;
  result: BuildxResult;
  calls: CallRecords;
  bases: readonly BaseImage[];
  versions: Versions;
  since: number;
}): CaseRecord {
  const { name, context, result, calls, bases, versions, since } = facts;
  const { title, target, buildArgs, labels, steps } = readCase(name);
  const ignoreFiles = ["Dockerfile.dockerignore", ".dockerignore"].map((file) => join(context, file));
  const dockerignore = ignoreFiles.find((file) => existsSync(file));
  const { sessions, image, vertices, warnings, logs, llb, failure } = result;
  return {
    case: name,
    title,
    versions,
    inputs: {
      dockerfile: readFileSync(join(context, "Dockerfile"), "utf8"),
      ...(dockerignore !== undefined && { dockerignore: readFileSync(dockerignore, "utf8") }),
      ...(target !== undefined && { target }),
      ...(buildArgs !== undefined && { buildArgs }),
      ...(labels !== undefined && { labels }),
      ...(steps !== undefined && { steps }),
    },
    ...(sessions.length > 0 && { session: sessions.at(-1)! }),
    vertices,
    warnings,
    logs,
    calls,
    ...(failure !== undefined && { failure: stableFailure(failure) }),
    ...(llb !== undefined && { llb }),
    ...(image !== undefined && imageFacts(image, bases, since)),
  };
}

/** What a record keeps of an image. Also made of our own images, to compare. */
export function imageFacts(
  image: ExportedImage,
  bases: readonly BaseImage[],
  since: number,
): Required<Pick<CaseRecord, "config" | "layers" | "rootfs">> {
  const base = bases.find(({ diffIds }) =>
    diffIds.every((id, index) => image.config.rootfs.diff_ids?.[index] === id),
  );
  const listing = listRootfs(image.layers, since);
  return {
    config: withoutTimes(image.config),
    layers: image.layers.slice(base?.diffIds.length ?? 0).map((layer) => layer.map(layerEntry)),
    rootfs: { ...(base && { base: base.name }), ...changesFrom(base?.listing ?? [], listing) },
  };
}

function layerEntry({ path, type, mode, uid, gid, linkname }: TarEntry): LayerEntry {
  const target = linkname === "" ? {} : { target: linkname };
  return { path, type, mode: mode.toString(8).padStart(4, "0"), owner: `${uid}:${gid}`, ...target };
}

function withoutTimes({
  created: _created,
  rootfs: _rootfs,
  history,
  ...rest
}: ImageConfig): Record<string, unknown> {
  return { ...rest, history: (history ?? []).map(({ created: _when, ...step }) => step) };
}

/** Drops the pointer to the engine's own build history, which is random. */
function stableFailure(text: string): string {
  return text
    .split("\n")
    .filter((line) => !/^View build details:/.test(line))
    .join("\n")
    .trim();
}

export function basesRecord(images: readonly BaseImage[]): BasesRecord {
  return { images };
}

export function writeBases(record: BasesRecord): void {
  write("bases.json", record);
}

export function readBases(): BasesRecord {
  return read("bases.json") as BasesRecord;
}

export function writeRecord(record: CaseRecord): void {
  write(`${record.case}.json`, record);
}

export function readRecord(name: string): CaseRecord {
  return read(`${name}.json`) as CaseRecord;
}

function read(name: string): unknown {
  return JSON.parse(readFileSync(join(recordedDirectory, name), "utf8"));
}

function write(name: string, value: unknown): void {
  const file = join(recordedDirectory, name);
  writeFileSync(`${file}.new`, `${format(value)}\n`);
  renameSync(`${file}.new`, file);
}

/** JSON with one line for whatever fits on one: listings stay readable, and a diff of them too. */
export function format(value: unknown, indent = ""): string {
  const flat = JSON.stringify(value);
  if (typeof value !== "object" || value === null || flat.length + indent.length <= 160) return flat;
  const inner = `${indent} `;
  const parts = Array.isArray(value)
    ? value.map((item) => format(item, inner))
    : Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([key, item]) => `${JSON.stringify(key)}: ${format(item, inner)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${parts.map((part) => inner + part).join(",\n")}\n${indent}${close}`;
}
