import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { makeBaseImages } from "../reference/base.ts";
import { enterPrivateMounts, mountPeers } from "../reference/namespaces.ts";
import { ensurePeers, type Peers, workMount } from "../reference/peers.ts";
import { baseName, buildah, type Contender, docker, stagewright } from "./contenders.ts";
import { type Command, peakMemory, time } from "./measure.ts";
import { markdown, nativeVersions, type Result, type WorkloadReport, writeReadme } from "./report.ts";
import { emptied, type Workload, workloads } from "./workloads.ts";

/**
 * npm run bench -- [--only NAME]… [--quick] [--write]
 * Times the same builds by stagewright and its peers, one after the other in every round, beside native limits.
 */
const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    quick: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});

const chosen = workloads(options.quick).filter(({ name }) => options.only?.includes(name) ?? true);
if (chosen.length === 0) {
  const names = workloads(true).map(({ name }) => name);
  throw new Error(`--only takes one of: ${names.join(", ")}`);
}
enterPrivateMounts();
const peers = ensurePeers();
// Stores and contexts are all in memory: a disk would be measured before the programs are.
const work = mountPeers(peers.root);
makeBaseImages(join(work, "images"), dirname(peers.root));
writeBaseArchive(peers);
const engine = await docker(peers, work);
try {
  const ours = stagewright(work);
  if (ours === undefined) note("stagewright is not built (npm run build): only its peers are measured");
  const contenders = [...(ours ? [ours] : []), engine, buildah(peers)];
  const reports: WorkloadReport[] = [];
  for (const workload of chosen) reports.push(await measure(workload, contenders));
  const versions = [...contenders.map(({ name, version }) => `${name}: ${version}`), nativeVersions()];
  const text = markdown(reports, versions);
  process.stdout.write(text);
  if (options.write) writeReadme(join(import.meta.dirname, "README.md"), text);
} finally {
  await engine.engine.stop();
}

/** The form of the base image that every contender can load. */
function writeBaseArchive(peers: Peers): void {
  const [from, to] = [`oci:${workMount}/images/base`, `docker-archive:${workMount}/base.tar:${baseName}`];
  execFileSync("chroot", [peers.root, "skopeo", "--insecure-policy", "copy", "-q", from, to]);
}

async function measure(workload: Workload, contenders: readonly Contender[]): Promise<WorkloadReport> {
  const context = join(work, "context");
  mkdirSync(context);
  workload.makeContext(context);
  const request = { context: "context", ...(workload.target !== undefined && { target: workload.target }) };
  const scratch = join(work, "scratch");
  const writeDockerfile = (round: string) =>
    writeFileSync(join(context, "Dockerfile"), workload.dockerfile(round));

  const runners: Runner[] = [
    ...contenders.map((contender) => ({
      name: contender.name,
      command: contender.build(request),
      daemons: contender.daemons,
      before: workload.kind === "cold" ? () => contender.forget() : () => {},
    })),
    ...workload.natives(context, scratch).map(({ name, command }) => ({
      name,
      command,
      daemons: [],
      before: () => void emptied(scratch),
    })),
  ];

  writeDockerfile("first");
  for (const contender of contenders) {
    contender.forget();
    contender.loadBase();
  }
  const failures = new Map<string, string>();
  const times = new Map<string, number[]>(runners.map(({ name }) => [name, []]));
  const run = (runner: Runner, keep: boolean) => {
    if (failures.has(runner.name)) return;
    runner.before();
    const { milliseconds, failure } = time(runner.command);
    if (failure !== undefined) failures.set(runner.name, failure);
    else if (keep) times.get(runner.name)!.push(milliseconds);
  };

  // The first run of each also brings programs and files into the page cache.
  for (const runner of runners) run(runner, false);
  for (let round = 1; round <= workload.rounds; round++) {
    note(`${workload.name}: round ${round} of ${workload.rounds}`);
    writeDockerfileWhenChanging(workload, `round-${round}`, writeDockerfile);
    for (const runner of runners) run(runner, true);
  }
  writeDockerfileWhenChanging(workload, "memory", writeDockerfile);
  const results: Result[] = [];
  for (const runner of runners) {
    const failure = failures.get(runner.name);
    if (failure !== undefined) note(`${runner.name}: ${failure}`);
    else runner.before();
    const peak = failure === undefined ? await peakMemory(runner.command, runner.daemons) : 0;
    const milliseconds = failure === undefined ? times.get(runner.name)! : [];
    results.push({
      name: runner.name,
      milliseconds,
      peakMemory: peak,
      ...(failure !== undefined && { failure }),
    });
  }
  for (const contender of contenders) contender.forget();
  rmSync(context, { recursive: true });
  rmSync(scratch, { recursive: true, force: true });
  return { title: workload.title, results };
}

interface Runner {
  readonly name: string;
  readonly command: Command;
  readonly daemons: readonly number[];
  before(): void;
}

function writeDockerfileWhenChanging(
  workload: Workload,
  round: string,
  write: (round: string) => void,
): void {
  if (workload.kind === "changed") write(round);
}

function note(text: string): void {
  process.stderr.write(`${text}\n`);
}
