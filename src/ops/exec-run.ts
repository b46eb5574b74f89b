import { BuildError, defined, goText, type Platform, toBuildError } from "../core/index.ts";
import {
  cannotEmulate,
  type Executor,
  type ExitStatus,
  emulationOf,
  emulatorMounts,
  type ProcessSpec,
  singleIdHint,
  UnknownUserError,
} from "../executor/index.ts";
import { type ExecOp, skipOutput } from "../llb/index.ts";
import type { Snapshot } from "../snapshot/index.ts";
import type { JobContext } from "../solver/index.ts";
import type { ExecDependencies } from "./exec-dependencies.ts";
import { secretVariables } from "./exec-lent.ts";
import { openStepLog, type StepLog } from "./exec-log.ts";
import { type PreparedMounts, prepareMounts } from "./exec-mounts.ts";
import { type Ref, snapshotOf } from "./ref.ts";

/** Runs the step in a sandbox; its changes to the root filesystem become a layer. */
export async function runStep(
  op: ExecOp,
  platform: Platform,
  inputs: readonly Ref[],
  context: JobContext,
  { layers, executor: getExecutor, session: getSession, root }: ExecDependencies,
): Promise<readonly Ref[]> {
  const rootMount = op.mounts.find((mount) => mount.dest === "/")!;
  const base: Snapshot =
    rootMount.input < 0 ? { layers: [] } : snapshotOf(inputs[rootMount.input], "the root filesystem of RUN");
  const executor = await getExecutor();
  const emulation = emulationOf(platform);
  const session = await getSession();
  warnOfDevices(op, context);
  const prepared = await prepareMounts(op, inputs, { layers, root, executor, context, session });
  const mounts = { ...prepared, mounts: [...prepared.mounts, ...emulatorMounts(emulation)] };
  const log = openStepLog(root, context, session.mask);
  const upper = executor.createUpper();
  try {
    const lowers = await layers.directories(base, context.signal);
    const secretEnv = await secretVariables(op, session, context.signal);
    const status = await execute(op, executor, { lowers, upper }, { ...mounts, secretEnv }, log, context);
    log.flush();
    if (emulation.kind !== "none") checkStatus(op, status, log, executor);
    else refuseForeign(op, platform, status, log, executor);
  } finally {
    mounts.release();
    log.close();
  }
  if (rootMount.output === skipOutput) return [];
  const layer = await layers.adoptUpper(upper, context.signal, base);
  return [{ kind: "snapshot", snapshot: { layers: [...base.layers, layer] } }];
}

function execute(
  op: ExecOp,
  executor: Executor,
  root: { readonly lowers: readonly string[]; readonly upper: string },
  lent: PreparedMounts & { readonly secretEnv: readonly string[] },
  log: StepLog,
  context: JobContext,
): Promise<ExitStatus> {
  const { meta } = op;
  const started = executor.run(
    root,
    {
      args: meta.args,
      env: [...meta.env, ...proxyEnv(op)],
      secretEnv: lent.secretEnv,
      cwd: meta.cwd,
      user: meta.user,
      network: networkOf(op),
      insecure: op.security === "insecure",
      cgroupParent: meta.cgroupParent,
      hostname: meta.hostname,
      extraHosts: meta.extraHosts,
      ulimits: meta.ulimits,
    },
    lent.mounts,
    {
      stdin: "ignore",
      onOutput: (stream, data) => log.write(stream, data),
      onWarning: (short) => context.emit({ kind: "warning", vertex: context.vertex, level: 1, short }),
    },
    context.signal,
  );
  return started.catch((error: unknown) => {
    if (!(error instanceof UnknownUserError)) throw error;
    // BuildKit counts it as a failure of the process.
    const { code, message, hint } = error;
    throw new BuildError(code, `${incomplete(op)}: ${message}`, { hint, cause: error });
  });
}

function incomplete(op: ExecOp): string {
  return `process ${goText.quote(op.meta.args.join(" "))} did not complete successfully`;
}

/** Devices are described in files that nothing here reads: a step goes without those that it can do without. */
function warnOfDevices(op: ExecOp, context: JobContext): void {
  for (const { name } of op.cdiDevices) {
    const short = `Optional device ${goText.quote(name)} is not registered`;
    context.emit({ kind: "warning", vertex: context.vertex, level: 1, short });
  }
}

/** What a step that names no network gets is the caller's choice. */
function networkOf({ network }: ExecOp): ProcessSpec["network"] {
  if (network !== "unset") return network;
  const wanted = process.env.STAGEWRIGHT_NETWORK || "host";
  if (wanted === "host") return "default";
  if (wanted === "isolated") return "isolated";
  throw new BuildError("invalid-argument", `STAGEWRIGHT_NETWORK=${wanted} is no network for steps`, {
    hint: "it is host (the machine's network) or isolated (one of the step's own, by pasta or slirp4netns)",
  });
}

/** Both spellings of each, as BuildKit passes them. */
function proxyEnv({ meta: { proxyEnv } }: ExecOp): string[] {
  if (proxyEnv === undefined) return [];
  const pairs = [
    ["HTTP_PROXY", proxyEnv.httpProxy],
    ["HTTPS_PROXY", proxyEnv.httpsProxy],
    ["FTP_PROXY", proxyEnv.ftpProxy],
    ["NO_PROXY", proxyEnv.noProxy],
    ["ALL_PROXY", proxyEnv.allProxy],
  ] as const;
  return pairs.flatMap(([name, value]) =>
    value === "" ? [] : [`${name}=${value}`, `${name.toLowerCase()}=${value}`],
  );
}

/**
 * A step of a foreign platform may still run, where its programs are this machine's; when it does not, the missing
 * emulator is the reason that helps.
 */
function refuseForeign(
  op: ExecOp,
  platform: Platform,
  status: ExitStatus,
  log: StepLog,
  executor: Executor,
): void {
  try {
    checkStatus(op, status, log, executor);
  } catch (error) {
    const { message, details } = toBuildError(error);
    throw cannotEmulate(platform, message, details);
  }
}

/** What programs say when it is the machine that lacks something, and what to do about it. */
const machineTroubles: readonly (readonly [RegExp, string])[] = [
  [
    /No space left on device/i,
    "the disk of the store is full: `stagewright prune` frees what no image needs, --root chooses another place",
  ],
  [
    /Could not resolve host|Temporary failure (?:in name resolution|resolving)|bad address '|EAI_AGAIN|ENOTFOUND/,
    "the step could not look a name up: check the network; behind a proxy, --build-arg HTTPS_PROXY lends it to steps",
  ],
];

/** A command in shell form that was meant to be a JSON array: a bracket that is not the shell's test. */
const attemptAtJson = /^\[(?!\[)\S/;

function hintOf(
  { meta: { args } }: ExecOp,
  { code }: ExitStatus,
  lines: readonly string[],
): string | undefined {
  if (code === 137) return "137 is SIGKILL: the machine may have run out of memory";
  if (code === 127 && attemptAtJson.test(args.at(-1) ?? ""))
    return 'a shell got what looks like a JSON array and is none: it takes double quotes and commas, ["like", "this"]';
  return machineTroubles.find(([said]) => lines.some((line) => said.test(line)))?.[1];
}

function checkStatus(op: ExecOp, status: ExitStatus, log: StepLog, { hasSingleId }: Executor): void {
  const valid = op.meta.validExitCodes.length > 0 ? op.meta.validExitCodes : [0];
  if (valid.includes(status.code)) return;
  const hint = (hasSingleId ? singleIdHint(log.tail()) : undefined) ?? hintOf(op, status, log.tail());
  throw new BuildError("unknown", `${incomplete(op)}: exit code: ${status.code}`, {
    ...defined({ hint }),
    details: {
      command: op.meta.args.join(" "),
      exitCode: status.code,
      logTail: log.tail(),
      ...(log.file() === undefined ? {} : { logFile: log.file()! }),
    },
  });
}
