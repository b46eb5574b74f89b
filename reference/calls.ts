import { type BuildxRequest, docker, requestArguments } from "./buildx.ts";

/** The questions that `docker buildx build --call` asks of a frontend instead of building. */
export const callKinds = ["check", "outline", "targets"] as const;

export type CallKind = (typeof callKinds)[number];

/** What one call printed to standard output, as text and as JSON. */
export interface CallRecord {
  /** Exit status of both. */
  readonly status: number;
  readonly text: string;
  /** `sources` is names alone. Absent when the call failed. */
  readonly json?: unknown;
  /** What a call that failed printed instead, without progress. */
  readonly failure?: string;
}

export type CallRecords = Readonly<Record<CallKind, CallRecord>>;

/** Asks all of them about the context in the work directory. */
export async function recordCalls(root: string, request: BuildxRequest): Promise<CallRecords> {
  const records = await Promise.all(callKinds.map((kind) => recordCall(root, kind, request)));
  return Object.fromEntries(callKinds.map((kind, index) => [kind, records[index]])) as unknown as CallRecords;
}

async function recordCall(root: string, kind: CallKind, request: BuildxRequest): Promise<CallRecord> {
  const call = (format: string) =>
    docker(root, [
      "buildx",
      "build",
      "--progress=quiet",
      `--call=${kind}${format}`,
      ...requestArguments(request),
    ]);
  const [text, json] = await Promise.all([call(""), call(",format=json")]);
  if (text.status !== json.status)
    throw new Error(`--call=${kind}: status ${text.status} as text, ${json.status} as JSON`);
  const failed = text.stdout === "";
  // Every case has a context of its own.
  const shown = (printed: string) => printed.replaceAll(`/${request.context}/`, "/context/");
  return {
    status: text.status ?? -1,
    text: shown(text.stdout),
    ...(failed ? { failure: shown(text.stderr.trim()) } : { json: withoutSources(JSON.parse(json.stdout)) }),
  };
}

/** Leaves out the Dockerfile, which the record has already, and how it was loaded, which holds a random session id. */
function withoutSources(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSources);
  if (typeof value !== "object" || value === null) return value;
  const { sources, ...rest } = value as { sources?: readonly unknown[] };
  if (sources === undefined) return value;
  return {
    ...rest,
    sources: sources.map((source) => (typeof source === "string" ? "Dockerfile" : nameOf(source))),
  };
}

function nameOf(source: unknown): unknown {
  const { data: _text, definition: _loading, ...rest } = source as { data?: unknown; definition?: unknown };
  return rest;
}
