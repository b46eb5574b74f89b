import { BuildError, type Platform, parseDigest } from "../core/index.ts";
import { decodeExec } from "./decode-exec.ts";
import { decodeFile } from "./decode-file.ts";
import type { BuildOp, DiffOp, MergeOp, Op, OpBody, OpInput, SourceOp } from "./op.ts";
import { WireReader } from "./wire-reader.ts";

/**
 * Parses the bytes of an op that comes from outside. Fields that are not known are skipped, kinds of op that are not
 * known are refused (`unimplemented`), and so is everything that points outside of the op (`invalid-argument`).
 */
export function decodeOp(bytes: Uint8Array): Op {
  const r = new WireReader(bytes, "LLB op");
  const inputs: OpInput[] = [];
  let body: OpBody | undefined;
  let platform: Platform | undefined;
  let filter: string[] | undefined;
  r.fields((field) => {
    if (field === 1) inputs.push(decodeInput(r.message("LLB input")));
    else if (field === 2) body = decodeExec(r.message("LLB exec op"));
    else if (field === 3) body = decodeSource(r.message("LLB source op"));
    else if (field === 4) body = decodeFile(r.message("LLB file op"));
    else if (field === 5) body = decodeBuild(r.message("LLB build op"));
    else if (field === 6) body = decodeMerge(r.message("LLB merge op"));
    else if (field === 7) body = decodeDiff(r.message("LLB diff op"));
    else if (field === 8) throw new BuildError("unimplemented", "LLB passthrough ops are not supported");
    else if (field === 10) platform = decodePlatform(r.message("LLB platform"));
    else if (field === 11) {
      const constraints = r.message("LLB constraints");
      const filters: string[] = [];
      constraints.fields((inner) => inner === 1 && filters.push(constraints.string()));
      filter = filters;
    }
  });
  const op: Op = {
    inputs,
    ...(body !== undefined && { body }),
    ...(platform !== undefined && { platform }),
    ...(filter !== undefined && { constraints: { filter } }),
  };
  checkIndexes(op);
  return op;
}

function decodeInput(r: WireReader): OpInput {
  let digest = "";
  let index = 0;
  r.fields((field) => {
    if (field === 1) digest = r.string();
    else if (field === 2) index = r.int();
  });
  if (index < 0) throw invalid(`output index ${index} of an input`);
  return { digest: parseDigest(digest, "LLB input"), index };
}

function decodePlatform(r: WireReader): Platform {
  let architecture = "";
  let os = "";
  let variant = "";
  let version = "";
  const features: string[] = [];
  r.fields((field) => {
    if (field === 1) architecture = r.string();
    else if (field === 2) os = r.string();
    else if (field === 3) variant = r.string();
    else if (field === 4) version = r.string();
    else if (field === 5) features.push(r.string());
  });
  return {
    os,
    architecture,
    ...(variant !== "" && { variant }),
    ...(version !== "" && { "os.version": version }),
    ...(features.length > 0 && { "os.features": features }),
  };
}

function decodeSource(r: WireReader): SourceOp {
  let identifier = "";
  const attrs = new Map<string, string>();
  r.fields((field) => {
    if (field === 1) identifier = r.string();
    else if (field === 2) attrs.set(...stringEntry(r.message("LLB source attribute")));
  });
  return { kind: "source", identifier, attrs: record(attrs) };
}

function decodeBuild(r: WireReader): BuildOp {
  let builder = 0;
  let definition: Uint8Array | undefined;
  const inputs = new Map<string, number>();
  const attrs = new Map<string, string>();
  r.fields((field) => {
    if (field === 1) builder = r.int();
    else if (field === 2) inputs.set(...buildInput(r.message("LLB build input")));
    else if (field === 3) definition = r.bytes();
    else if (field === 4) attrs.set(...stringEntry(r.message("LLB build attribute")));
  });
  return {
    kind: "build",
    builder,
    inputs: record(inputs),
    ...(definition !== undefined && { definition }),
    attrs: record(attrs),
  };
}

function buildInput(r: WireReader): [string, number] {
  let name = "";
  let input = 0;
  r.fields((field) => {
    if (field === 1) name = r.string();
    else if (field === 2) input = singleIndex(r.message("LLB build input"));
  });
  return [name, input];
}

function decodeMerge(r: WireReader): MergeOp {
  const inputs: number[] = [];
  r.fields((field) => field === 1 && inputs.push(singleIndex(r.message("LLB merge input"))));
  return { kind: "merge", inputs };
}

function decodeDiff(r: WireReader): DiffOp {
  let lower: number | undefined;
  let upper: number | undefined;
  r.fields((field) => {
    if (field === 1) lower = singleIndex(r.message("LLB diff input"));
    else if (field === 2) upper = singleIndex(r.message("LLB diff input"));
  });
  return {
    kind: "diff",
    ...(lower !== undefined && { lower }),
    ...(upper !== undefined && { upper }),
  };
}

function singleIndex(r: WireReader): number {
  let index = 0;
  r.fields((field) => {
    if (field === 1) index = r.int();
  });
  return index;
}

/** An entry of a `map<string, string>`. */
export function stringEntry(r: WireReader): [string, string] {
  let key = "";
  let value = "";
  r.fields((field) => {
    if (field === 1) key = r.string();
    else if (field === 2) value = r.string();
  });
  return [key, value];
}

/** A plain object, safe against the key `__proto__`. */
export function record<T>(entries: Map<string, T>): Record<string, T> {
  return Object.fromEntries(entries);
}

function checkIndexes(op: Op): void {
  const { body } = op;
  const count = op.inputs.length;
  if (body === undefined) return;
  const check = (index: number, limit: number, what: string): void => {
    if (index < -1 || index >= limit)
      throw invalid(`${what} ${index} of a ${body.kind} op with ${count} inputs`);
  };
  if (body.kind === "exec") for (const mount of body.mounts) check(mount.input, count, "mount input");
  if (body.kind === "merge") for (const input of body.inputs) check(input, count, "input");
  if (body.kind === "build") for (const input of Object.values(body.inputs)) check(input, count, "input");
  if (body.kind === "diff") {
    check(body.lower ?? -1, count, "lower input");
    check(body.upper ?? -1, count, "upper input");
  }
  if (body.kind === "file")
    body.actions.forEach((action, i) => {
      check(action.input, count + i, "action input");
      check(action.secondaryInput, count + i, "action input");
    });
}

function invalid(message: string): BuildError {
  return new BuildError("invalid-argument", `malformed LLB: ${message}`);
}
