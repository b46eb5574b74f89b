import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BaseImage, makeBaseImages } from "../reference/base.ts";
import { makeContext, readCase, type StepFlags } from "../reference/case.ts";
import { compareBuild } from "../reference/compare.ts";
import { readOciArchive } from "../reference/export.ts";
import { type CaseRecord, readBases, readRecord } from "../reference/records.ts";
import { BuildError, type BuildEvent, type BuildOptions, build, type Output } from "../src/build.ts";
import type { Sandbox } from "./sandbox.ts";

/** The cases of reference/, built here, and what differs from the records of a real BuildKit. */

export type Bases = readonly BaseImage[];

/** Makes the images that cases start from and loads them into the sandbox's store, where `FROM` finds them by digest. */
export async function loadBases(sandbox: Sandbox): Promise<Bases> {
  const layouts = join(sandbox.directory, "bases");
  const bases = makeBaseImages(layouts, sandbox.directory);
  for (const { name } of bases) await sandbox.ok(["load", "-q", "-i", join(layouts, name)]);
  return bases;
}

export interface BuiltCase {
  /** OCI archive of the image; undefined when the build failed. */
  readonly archive?: string;
  readonly error?: BuildError;
  readonly events: readonly BuildEvent[];
  /** When the build began, in seconds. */
  readonly since: number;
}

/** What to do otherwise than the case says; all else of a build is as the library has it. */
export interface CaseOptions
  extends Pick<BuildOptions, "root" | "target" | "tags" | "noCache" | "sourceDateEpoch"> {
  readonly archiveType?: "oci" | "docker";
  /** Changes the Dockerfile. */
  readonly dockerfile?: (text: string) => string;
}

/** Builds a case through the library, from a context made for it, in the sandbox's store when no other is given. */
export async function buildCase(
  sandbox: Sandbox,
  bases: Bases,
  name: string,
  options: CaseOptions = {},
): Promise<BuiltCase> {
  const work = mkdtempSync(join(sandbox.directory, "case-"));
  const context = join(work, "context");
  mkdirSync(context);
  makeContext(name, context, bases);
  const { archiveType: type = "oci", dockerfile, ...rest } = options;
  if (dockerfile !== undefined) {
    const file = join(context, "Dockerfile");
    writeFileSync(file, dockerfile(readFileSync(file, "utf8")));
  }
  const { target, buildArgs, labels, steps } = readCase(name);
  const archive = join(work, "image.tar");
  const output: Output =
    type === "oci" ? { type, names: [], dest: archive, tar: true } : { type, names: [], dest: archive };
  const events: BuildEvent[] = [];
  const since = Math.floor(Date.now() / 1000) - 1;
  const facts = () => ({ events, since });
  try {
    await build({
      context,
      root: sandbox.store,
      outputs: [output],
      onEvent: (event) => events.push(event),
      ...(target !== undefined && { target }),
      ...(buildArgs !== undefined && { buildArgs }),
      ...(labels !== undefined && { labels }),
      ...stepOptions(steps),
      ...rest,
    });
    return { archive, ...facts() };
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    return { error, ...facts() };
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}

/** The flags of RUN steps as the library has them. */
function stepOptions(steps: StepFlags = {}): Partial<BuildOptions> {
  const { secrets = {}, network, allow = [], addHosts = {}, ulimits = {}, shmSize } = steps;
  return {
    secrets: Object.fromEntries(Object.entries(secrets).map(([id, content]) => [id, () => content])),
    allow,
    extraHosts: Object.entries(addHosts).map(([host, ip]) => ({ host, ip })),
    ulimits: Object.entries(ulimits).map(([limit, [soft, hard]]) => ({ name: limit, soft, hard })),
    ...(network !== undefined && { network }),
    ...(shmSize !== undefined && { shmSize }),
  };
}

/**
 * What a build did otherwise than the record says, one line each: configuration, history, number of layers, every path
 * of the root filesystem, output of the steps; of a failure its message and the line that it points at.
 */
export function differences(name: string, built: BuiltCase, bases: Bases): string[] {
  const record = recordFor(name, bases);
  const { archive, error, since } = built;
  const image = archive === undefined ? undefined : readOciArchive(archive);
  return [
    ...compareBuild(record, { image, failure: error?.message, bases, since }),
    ...(record.failure === undefined || error === undefined ? [] : compareFailure(record.failure, error)),
    ...compareLogs(record, built.events),
  ];
}

/** The record, with this machine's busybox and architecture where it names those of the machine that recorded it. */
function recordFor(name: string, bases: Bases): CaseRecord {
  const recorded = readBases().images;
  let text = JSON.stringify(readRecord(name));
  for (const [index, image] of bases.entries()) {
    const before = recorded[index]!;
    text = text.replaceAll(before.reference, image.reference);
    text = text.replaceAll(contentOf(before, "bin/busybox"), contentOf(image, "bin/busybox"));
    text = text.replaceAll(architectureOf(before), architectureOf(image));
  }
  return JSON.parse(text) as CaseRecord;
}

function contentOf({ listing }: BaseImage, path: string): string {
  const file = listing.find((entry) => entry.path === path);
  // As a record has it: size and digest side by side.
  return file === undefined ? "\0" : `"size":${file.size},"sha256":"${file.sha256}"`;
}

function architectureOf({ config }: BaseImage): string {
  return `"architecture":${JSON.stringify(config.architecture)}`;
}

/** BuildKit's words must be in ours, which may say more; the line must be one that it points at. */
function compareFailure(recorded: string, error: BuildError): string[] {
  const differing: string[] = [];
  const ours = `${error.message.replace(/ of ref .*?:(?= (?:"|too many))/, ":")} (${error.hint ?? ""})`;
  const { message, suggests } = messageOf(recorded);
  if (!says(ours, message) || (suggests && !ours.includes("did you mean")))
    differing.push(`error: ${ours}, not ${message}`);
  const lines = [...recorded.matchAll(/^Dockerfile:(\d+)$/gm)].map(([, line]) => line);
  const line = error.details.source?.ranges[0]?.start.line.toString();
  if (lines.length > 0 && !lines.includes(line)) differing.push(`error at line ${line}, not ${lines.join()}`);
  return differing;
}

function says(text: string, words: string): boolean {
  const at = text.indexOf(words);
  return at >= 0 && !/^\w/.test(text.slice(at + words.length));
}

/**
 * The last line without what the client puts before it, without names that BuildKit makes up, and without what it
 * suggests: of several names that are equally near it takes a random one.
 */
function messageOf(recorded: string): { message: string; suggests: boolean } {
  const last = recorded.trimEnd().split("\n").at(-1)!;
  const suggestion = / \(did you mean .*\?\)$/;
  const message = last
    .replace(
      /^ERROR: failed to build: failed to solve: (failed to (?:compute|load) cache key: |failed to load LLB: )?/,
      "",
    )
    .replace(/ of ref \w+::\w+/, "")
    .replace(/^rpc error: code = \w+ desc = /, "")
    .replace(/\/var\/lib\/docker\/buildkit\/\S*?\/buildkit\d+/, "")
    .replace(/(?<=does not contain ref .*), output: ".*"$/, "")
    .replace(suggestion, "");
  return { message, suggests: suggestion.test(last) };
}

/** Output of steps, matched by their names. */
function compareLogs({ vertices, logs }: CaseRecord, events: readonly BuildEvent[]): string[] {
  const digestOf = new Map(
    events.flatMap((event) => (event.kind === "vertex" ? [[event.name, event.digest]] : [])),
  );
  return Object.entries(logs).flatMap(([digest, expected]) => {
    const name = vertices.find((vertex) => vertex.digest === digest)?.name;
    if (name === undefined) return [];
    const actual = outputOf(digestOf.get(name), events);
    return sortedLines(actual) === sortedLines(expected)
      ? []
      : [`output of ${name}: ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`];
  });
}

/** Each stream by itself, for a line of one may come in pieces around the other; one without an end of line is the last. */
function outputOf(vertex: string | undefined, events: readonly BuildEvent[]): string {
  const ofStream = (stream: 1 | 2) =>
    events
      .flatMap((event) =>
        event.kind === "log" && event.vertex === vertex && event.stream === stream ? [event.data] : [],
      )
      .map((data) => Buffer.from(data).toString())
      .join("");
  const [out, errors] = [ofStream(1), ofStream(2)];
  return out.endsWith("\n") ? out + errors : errors + out;
}

/** stdout and stderr are two pipes: their order among each other is not a fact. */
function sortedLines(text: string): string {
  return text.split("\n").sort().join("\n");
}
