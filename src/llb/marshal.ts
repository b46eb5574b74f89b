import { type Digest, digestOf, goText, type SourceRange } from "../core/index.ts";
import type { Definition, OpMetadata, SourceFile, SourceInfo, SourceSpot } from "./definition.ts";
import { encodeOp } from "./encode-op.ts";
import type { LlbEdge, LlbVertex } from "./graph.ts";
import { WireWriter } from "./wire-writer.ts";

/**
 * The whole graph below `edge` as it is sent to a solver: each vertex once, inputs before their users, and at the
 * end the terminal op that names the result. `undefined` (scratch) gives an empty definition.
 */
export function marshalDefinition(edge: LlbEdge | undefined): Definition {
  if (edge === undefined) return { def: [], metadata: new Map() };
  const vertices = inOrder(edge.vertex);
  const metadata = new Map<Digest, OpMetadata>();
  for (const { digest, metadata: facts } of vertices) {
    const { name: _, sources: __, ...rest } = facts;
    metadata.set(digest, rest);
  }
  const terminal = encodeOp({ inputs: [{ digest: edge.vertex.digest, index: edge.index }] });
  const caps = ["constraints", "platform", "meta.description"];
  if (vertices.some((vertex) => vertex.metadata.ignoreCache)) caps.push("meta.ignorecache");
  if (vertices.some((vertex) => vertex.metadata.exportCache !== undefined)) caps.push("meta.exportcache");
  metadata.set(digestOf(terminal), { ignoreCache: false, description: {}, caps: caps.sort() });
  const source = sourceInfoOf(vertices);
  return {
    def: [...vertices.map((vertex) => vertex.bytes), terminal],
    metadata,
    ...(source !== undefined && { source }),
  };
}

/** Every vertex below `root`, inputs before their users, without recursion: graphs may be deep. */
export function inOrder(root: LlbVertex): LlbVertex[] {
  const done = new Set<Digest>();
  const result: LlbVertex[] = [];
  const stack: { vertex: LlbVertex; next: number }[] = [{ vertex: root, next: 0 }];
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!;
    const input = top.vertex.inputs[top.next++];
    if (input !== undefined) {
      if (!done.has(input.vertex.digest)) stack.push({ vertex: input.vertex, next: 0 });
      continue;
    }
    stack.pop();
    if (done.has(top.vertex.digest)) continue;
    done.add(top.vertex.digest);
    result.push(top.vertex);
  }
  return result;
}

function sourceInfoOf(vertices: readonly LlbVertex[]): SourceInfo | undefined {
  const files: SourceFile[] = [];
  const locations = new Map<Digest, readonly SourceSpot[]>();
  for (const { digest, metadata } of vertices) {
    const spots = metadata.sources.map(({ file, ranges }) => {
      const known = files.indexOf(file);
      return { file: known >= 0 ? known : files.push(file) - 1, ranges };
    });
    if (spots.length > 0) locations.set(digest, spots);
  }
  return files.length === 0 ? undefined : { files, locations };
}

/** The bytes of a `pb.Definition`. */
export function encodeDefinition(definition: Definition): Uint8Array {
  const w = new WireWriter();
  for (const op of definition.def) w.alwaysBytes(1, op);
  for (const [digest, metadata] of sorted(definition.metadata))
    w.message(2, () => {
      w.alwaysString(1, digest);
      w.message(2, () => writeMetadata(w, metadata));
    });
  const { source } = definition;
  if (source !== undefined) w.message(3, () => writeSourceInfo(w, source));
  return w.finish();
}

function writeMetadata(w: WireWriter, metadata: OpMetadata): void {
  w.bool(1, metadata.ignoreCache);
  const description = Object.entries(metadata.description).sort((a, b) => goText.compare(a[0], b[0]));
  for (const [key, value] of description)
    w.message(2, () => {
      w.alwaysString(1, key);
      w.alwaysString(2, value);
    });
  const { exportCache, progressGroup } = metadata;
  if (exportCache !== undefined) w.message(4, () => w.bool(1, exportCache.value));
  for (const cap of [...metadata.caps].sort(goText.compare))
    w.message(5, () => {
      w.alwaysString(1, cap);
      w.alwaysInt(2, 1);
    });
  if (progressGroup !== undefined)
    w.message(6, () => {
      w.string(1, progressGroup.id);
      w.string(2, progressGroup.name);
      w.bool(3, progressGroup.weak);
    });
}

function writeSourceInfo(w: WireWriter, source: SourceInfo): void {
  for (const [digest, spots] of sorted(source.locations))
    w.message(1, () => {
      w.alwaysString(1, digest);
      w.message(2, () => {
        for (const spot of spots) w.message(1, () => writeSpot(w, spot));
      });
    });
  for (const file of source.files)
    w.message(2, () => {
      w.string(1, file.filename);
      w.bytes(2, file.data);
      if (file.definition !== undefined) w.alwaysBytes(3, file.definition);
      w.string(4, file.language);
    });
}

function writeSpot(w: WireWriter, spot: SourceSpot): void {
  w.int(1, spot.file);
  for (const range of spot.ranges) w.message(2, () => writeRange(w, range));
}

function writeRange(w: WireWriter, range: SourceRange): void {
  for (const [field, position] of [range.start, range.end].entries())
    w.message(field + 1, () => {
      w.int(1, position.line);
      w.int(2, position.column);
    });
}

function sorted<V>(map: ReadonlyMap<Digest, V>): [Digest, V][] {
  return [...map].sort((a, b) => goText.compare(a[0], b[0]));
}
