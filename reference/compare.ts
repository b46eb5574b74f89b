import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type BaseImage, makeBaseImages } from "./base.ts";
import { makeContext, makeSecrets, readCase, stepArguments } from "./case.ts";
import { intendedDifferences } from "./differences.ts";
import { type ExportedImage, readOciArchive } from "./export.ts";
import { compareListing, type ListingDifference, withChanges } from "./listing.ts";
import { enterPrivateMounts, mountPeers } from "./namespaces.ts";
import { ensurePeers } from "./peers.ts";
import { type CaseRecord, imageFacts, readBases, readRecord, recordedDirectory } from "./records.ts";
import { startRegistry } from "./registry.ts";
import { makeRemote, serveRemoteIn } from "./remote.ts";

/**
 * npm run reference:compare -- [CASE…]
 * Builds the cases with this checkout's stagewright, and prints what is not as BuildKit's records have it. Its exit
 * status is 1 when something differs.
 */
async function main(wanted: readonly string[]): Promise<number> {
  enterPrivateMounts({ network: true });
  const peers = ensurePeers();
  const work = mountPeers(peers.root);
  const bases = makeBaseImages(join(work, "images"), dirname(peers.root));
  refuseOtherBases(bases);
  const images = Object.fromEntries(bases.map(({ name }) => [name, `images/${name}`]));
  const names = wanted.length > 0 ? wanted : recordedCases();
  const registry = await startRegistry(peers.root, work, images);
  if (names.some((name) => readCase(name).remote)) makeRemote(join(work, "remote"));
  const remote = await serveRemoteIn(process.pid, join(work, "remote"));
  try {
    const differing = names.filter((name) => !compareCase(name, work, bases));
    const good = names.length - differing.length;
    process.stdout.write(`${good} of ${names.length} cases are as recorded, or differ as intended\n`);
    return differing.length === 0 ? 0 : 1;
  } finally {
    registry.stop();
    remote.close();
  }
}

function recordedCases(): string[] {
  const files = readdirSync(recordedDirectory).filter(
    (name) => name.endsWith(".json") && name !== "bases.json",
  );
  return files.map((name) => name.slice(0, -".json".length)).sort();
}

function refuseOtherBases(bases: readonly BaseImage[]): void {
  for (const { name, reference } of readBases().images)
    if (bases.find((base) => base.name === name)?.reference !== reference)
      throw new Error(
        `the image ${name} made here is not the recorded one (another busybox): record again first`,
      );
}

function compareCase(name: string, work: string, bases: readonly BaseImage[]): boolean {
  const context = join(work, "context");
  rmSync(context, { recursive: true, force: true });
  mkdirSync(context);
  makeContext(name, context, bases);
  makeSecrets(readCase(name), work);
  const since = Math.floor(Date.now() / 1000) - 1;
  const { image, failure } = build(name, context, work);
  const found = compareBuild(readRecord(name), { image, failure, bases, since });
  const intended = intendedDifferences(name);
  for (const { lines, reason } of intended)
    if (lines.some((line) => found.includes(line)))
      process.stdout.write(`${name}: differs, as intended: ${reason}\n`);
  const differences = found.filter((line) => !intended.some(({ lines }) => lines.includes(line)));
  const verdict = differences.length === 0 ? "as recorded" : `${differences.length} differences`;
  process.stdout.write(`${name}: ${verdict}\n`);
  for (const line of differences) process.stdout.write(`  ${line}\n`);
  return differences.length === 0;
}

/** Builds a case from its context as its users would: by the command line. */
function build(name: string, context: string, work: string): { image?: ExportedImage; failure?: string } {
  const { target, buildArgs = {}, labels = {}, steps } = readCase(name);
  const root = join(import.meta.dirname, "..");
  if (!existsSync(join(root, "dist/cli.cjs"))) throw new Error("there is no dist: npm run build comes first");
  const out = join(work, "image.tar");
  rmSync(out, { force: true });
  const args = [
    ...[join(root, "bin/stagewright.cjs"), "build", "--progress", "plain", "-o", `type=oci,dest=${out}`],
    ...(target === undefined ? [] : ["--target", target]),
    ...Object.entries(buildArgs).flatMap(([key, value]) => ["--build-arg", `${key}=${value}`]),
    ...Object.entries(labels).flatMap(([key, value]) => ["--label", `${key}=${value}`]),
    ...stepArguments(steps, (id) => join(work, "secrets", id)),
    context,
  ];
  const env = { ...process.env, STAGEWRIGHT_ROOT: join(work, "store") };
  const result = spawnSync(process.execPath, args, { env, encoding: "utf8", maxBuffer: 1 << 26 });
  if (result.status === 0) return { image: readOciArchive(out) };
  return { failure: result.stderr.trim() || result.error?.message || `ended by ${result.signal}` };
}

/**
 * What a build of a case did otherwise than its record says, one line each. Times of the build itself, diff ids and
 * the words of errors are not compared.
 */
export function compareBuild(
  record: CaseRecord,
  built: {
    readonly image?: ExportedImage | undefined;
    readonly failure?: string | undefined;
    readonly bases: readonly BaseImage[];
    readonly since: number;
  },
): string[] {
  const { image, failure, bases, since } = built;
  if (record.failure !== undefined)
    return image === undefined ? [] : [`succeeds, where BuildKit says: ${lastLine(record.failure)}`];
  if (image === undefined) return [`fails: ${(failure ?? "").split("\n").slice(-6).join(" / ")}`];
  const facts = imageFacts(image, bases, since);
  const listingOf = (rootfs: NonNullable<CaseRecord["rootfs"]>) =>
    withChanges(bases.find(({ name }) => name === rootfs.base)?.listing ?? [], rootfs);
  const counts = [record.layers!.length, facts.layers.length];
  return [
    ...compareConfig(record.config!, facts.config),
    ...(counts[0] === counts[1] ? [] : [`layers: ${counts[1]}, not ${counts[0]}`]),
    ...compareListing(listingOf(record.rootfs!), listingOf(facts.rootfs)).map(listingLine),
  ];
}

function compareConfig(
  expected: Readonly<Record<string, unknown>>,
  actual: Readonly<Record<string, unknown>>,
): string[] {
  const keys = [...new Set([...Object.keys(expected), ...Object.keys(actual)])];
  return keys.flatMap((key) => {
    const [a, b] = [expected[key], actual[key]];
    if (isDeepStrictEqual(a, b)) return [];
    if (key === "config" && isObject(a) && isObject(b))
      return compareConfig(a, b).map((line) => line.replace("configuration: ", "configuration: config."));
    if (key === "history" && Array.isArray(a) && Array.isArray(b)) return compareHistory(a, b);
    return [`configuration: ${key}: ${JSON.stringify(b)}, not ${JSON.stringify(a)}`];
  });
}

function compareHistory(expected: readonly unknown[], actual: readonly unknown[]): string[] {
  const steps = [...Array(Math.max(expected.length, actual.length)).keys()];
  return steps
    .filter((step) => !isDeepStrictEqual(expected[step], actual[step]))
    .map((step) => `history ${step}: ${JSON.stringify(actual[step])}, not ${JSON.stringify(expected[step])}`);
}

function listingLine({ path, expected, actual, properties }: ListingDifference): string {
  const shown = JSON.stringify(Buffer.from(path, "latin1").toString());
  if (expected === undefined) return `${shown}: should not be there (${actual!.type})`;
  if (actual === undefined) return `${shown}: is missing (${expected.type})`;
  const each = (properties as (keyof typeof expected)[]).map(
    (key) => `${key} ${JSON.stringify(actual[key])}, not ${JSON.stringify(expected[key])}`,
  );
  return `${shown}: ${each.join("; ")}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
