import { BuildError, type Digest, digestOf, parseDigest, type SourceRange } from "../core/index.ts";
import { decodeOp, record, stringEntry } from "./decode-op.ts";
import type {
  Definition,
  OpMetadata,
  ProgressGroup,
  SourceFile,
  SourceInfo,
  SourceSpot,
} from "./definition.ts";
import { type LlbEdge, type LlbVertex, nameKey, type VertexMetadata } from "./graph.ts";
import type { Op } from "./op.ts";
import { WireReader } from "./wire-reader.ts";

/** Parses the bytes of a `pb.Definition`; throws `invalid-argument` when they are none. */
export function decodeDefinition(bytes: Uint8Array): Definition {
  const r = new WireReader(bytes, "LLB definition");
  const def: Uint8Array[] = [];
  const metadata = new Map<Digest, OpMetadata>();
  let source: SourceInfo | undefined;
  r.fields((field) => {
    if (field === 1) def.push(r.bytes());
    else if (field === 2) {
      const [digest, value] = digestEntry(r.message("LLB metadata"), decodeMetadata, emptyMetadata);
      metadata.set(digest, value);
    } else if (field === 3) source = decodeSourceInfo(r.message("LLB source info"));
  });
  return { def, metadata, ...(source !== undefined && { source }) };
}

/**
 * The graph that a definition describes; `undefined` is scratch. The ops may come in any order, the last one names
 * the result. Throws `invalid-argument` when an op is missing or malformed.
 */
export function edgeOf(definition: Definition): LlbEdge | undefined {
  if (definition.def.length === 0) return undefined;
  const ops = new Map<Digest, { op: Op; bytes: Uint8Array }>();
  for (const bytes of definition.def) ops.set(digestOf(bytes), { op: decodeOp(bytes), bytes });
  const terminal = decodeOp(definition.def[definition.def.length - 1]!);
  const result = terminal.inputs[0];
  if (terminal.body !== undefined || terminal.inputs.length > 1)
    throw invalid("the last op does more than name the result");
  if (result === undefined) return undefined;

  const vertices = new Map<Digest, LlbVertex>();
  const pending: Digest[] = [result.digest];
  const visiting = new Set<Digest>();
  while (pending.length > 0) {
    const digest = pending[pending.length - 1]!;
    const found = ops.get(digest);
    if (found === undefined) throw invalid(`op ${digest} is missing`);
    const { op, bytes } = found;
    const missing = op.inputs.filter((input) => !vertices.has(input.digest));
    if (vertices.has(digest)) pending.pop();
    else if (missing.length === 0) {
      if (op.body === undefined) throw invalid(`op ${digest} does nothing`);
      const inputs = op.inputs.map((input) => ({ vertex: vertices.get(input.digest)!, index: input.index }));
      vertices.set(digest, { digest, bytes, op, inputs, metadata: vertexMetadata(definition, digest) });
      pending.pop();
    } else {
      // Hashes cannot form a cycle; this only keeps a broken hash from looping.
      if (visiting.has(digest)) throw invalid("its ops form a cycle");
      visiting.add(digest);
      for (const input of missing) pending.push(input.digest);
    }
  }
  return { vertex: vertices.get(result.digest)!, index: result.index };
}

function vertexMetadata(definition: Definition, digest: Digest): VertexMetadata {
  const metadata = definition.metadata.get(digest) ?? emptyMetadata;
  const spots = definition.source?.locations.get(digest) ?? [];
  return {
    ...metadata,
    name: metadata.description[nameKey] ?? "",
    sources: spots.map(({ file, ranges }) => ({ file: definition.source!.files[file]!, ranges })),
  };
}

const emptyMetadata: OpMetadata = { ignoreCache: false, description: {}, caps: [] };

function digestEntry<T>(r: WireReader, decode: (r: WireReader) => T, empty: T): [Digest, T] {
  let digest = "";
  let value = empty;
  r.fields((field) => {
    if (field === 1) digest = r.string();
    else if (field === 2) value = decode(r.message("LLB metadata"));
  });
  return [parseDigest(digest, "LLB metadata"), value];
}

function decodeMetadata(r: WireReader): OpMetadata {
  let ignoreCache = false;
  let exportCache: { value: boolean } | undefined;
  let progressGroup: ProgressGroup | undefined;
  const description = new Map<string, string>();
  const caps: string[] = [];
  r.fields((field) => {
    if (field === 1) ignoreCache = r.bool();
    else if (field === 2) description.set(...stringEntry(r.message("LLB description")));
    else if (field === 4) exportCache = decodeExportCache(r.message("LLB export cache"));
    else if (field === 5) {
      const [cap, needed] = boolEntry(r.message("LLB capability"));
      if (needed) caps.push(cap);
    } else if (field === 6) progressGroup = decodeProgressGroup(r.message("LLB progress group"));
  });
  return {
    ignoreCache,
    description: record(description),
    caps,
    ...(exportCache !== undefined && { exportCache }),
    ...(progressGroup !== undefined && { progressGroup }),
  };
}

function decodeExportCache(r: WireReader): { value: boolean } {
  let value = false;
  r.fields((field) => {
    if (field === 1) value = r.bool();
  });
  return { value };
}

function boolEntry(r: WireReader): [string, boolean] {
  let key = "";
  let value = false;
  r.fields((field) => {
    if (field === 1) key = r.string();
    else if (field === 2) value = r.bool();
  });
  return [key, value];
}

function decodeProgressGroup(r: WireReader): ProgressGroup {
  let id = "";
  let name = "";
  let weak = false;
  r.fields((field) => {
    if (field === 1) id = r.string();
    else if (field === 2) name = r.string();
    else if (field === 3) weak = r.bool();
  });
  return { id, name, weak };
}

function decodeSourceInfo(r: WireReader): SourceInfo {
  const files: SourceFile[] = [];
  const locations = new Map<Digest, readonly SourceSpot[]>();
  r.fields((field) => {
    if (field === 1) {
      const [digest, spots] = digestEntry(r.message("LLB locations"), decodeSpots, []);
      locations.set(digest, spots);
    } else if (field === 2) files.push(decodeSourceFile(r.message("LLB source file")));
  });
  for (const spots of locations.values())
    for (const { file } of spots)
      if (files[file] === undefined) throw invalid(`there is no source file ${file}`);
  return { files, locations };
}

function decodeSpots(r: WireReader): readonly SourceSpot[] {
  const spots: SourceSpot[] = [];
  r.fields((field) => field === 1 && spots.push(decodeSpot(r.message("LLB location"))));
  return spots;
}

function decodeSpot(r: WireReader): SourceSpot {
  let file = 0;
  const ranges: SourceRange[] = [];
  r.fields((field) => {
    if (field === 1) file = r.int32();
    else if (field === 2) ranges.push(decodeRange(r.message("LLB range")));
  });
  return { file, ranges };
}

function decodeRange(r: WireReader): SourceRange {
  let start = { line: 0, column: 0 };
  let end = start;
  r.fields((field) => {
    if (field === 1) start = decodePosition(r.message("LLB position"));
    else if (field === 2) end = decodePosition(r.message("LLB position"));
  });
  return { start, end };
}

function decodePosition(r: WireReader): { line: number; column: number } {
  const position = { line: 0, column: 0 };
  r.fields((field) => {
    if (field === 1) position.line = r.int32();
    else if (field === 2) position.column = r.int32();
  });
  return position;
}

function decodeSourceFile(r: WireReader): SourceFile {
  let filename = "";
  let data: Uint8Array = new Uint8Array();
  let definition: Uint8Array | undefined;
  let language = "";
  r.fields((field) => {
    if (field === 1) filename = r.string();
    else if (field === 2) data = r.bytes();
    else if (field === 3) definition = r.bytes();
    else if (field === 4) language = r.string();
  });
  return { filename, data, language, ...(definition !== undefined && { definition }) };
}

function invalid(message: string): BuildError {
  return new BuildError("invalid-argument", `malformed LLB definition: ${message}`);
}
