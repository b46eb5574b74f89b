import { BuildError } from "../core/index.ts";
import type { Executor, ExitStatus } from "../executor/index.ts";
import type { LayerStore } from "../layer/index.ts";
import { type ExecMount, type ExecOp, type LlbVertex, skipOutput } from "../llb/index.ts";
import type { Snapshot } from "../snapshot/index.ts";
import type { JobContext, Op } from "../solver/index.ts";
import { contentKeyOf, definitionKeyOf, hasContentKey } from "./exec-key.ts";
import { openStepLog, type StepLog } from "./exec-log.ts";
import { type PreparedMounts, prepareMounts } from "./exec-mounts.ts";
import { type Ref, snapshotOf } from "./ref.ts";

export interface ExecDependencies {
  readonly layers: LayerStore;
  /** Called at the first step that really runs; always gives the same one. */
  readonly executor: () => Promise<Executor>;
  /** Root of the store: logs and cache mounts are kept there. */
  readonly root: string;
}

/** A `RUN`: a process in a sandbox, whose changes to the root filesystem become a layer. */
export function execOp(vertex: LlbVertex, dependencies: ExecDependencies): Op<Ref> {
  const op = execBody(vertex);
  refuseUnknown(op);
  const { platform } = vertex.op;
  return {
    weight: 1,
    definitionKey: async (inputKeys) => definitionKeyOf(op, platform, inputKeys),
    ...(hasContentKey(op)
      ? {
          contentKey: (inputs, inputKeys) =>
            contentKeyOf(op, platform, inputs, inputKeys, dependencies.layers),
        }
      : {}),
    exec: (inputs, context) => runStep(op, inputs, context, dependencies),
  };
}

function execBody(vertex: LlbVertex): ExecOp {
  const { body } = vertex.op;
  if (body?.kind === "exec") return body;
  throw new BuildError("internal", `vertex ${vertex.digest} is no exec op`);
}

/** What is not carried out yet is refused by name, before anything runs. */
function refuseUnknown(op: ExecOp): void {
  const refuse = (what: string): never => {
    throw new BuildError("unimplemented", `${what} is not supported yet`);
  };
  if (op.security === "insecure") refuse("RUN --security=insecure");
  if (op.secretEnv.length > 0) refuse("RUN --mount=type=secret,env=…");
  if (op.cdiDevices.length > 0) refuse("RUN --device");
  if (op.meta.cgroupParent !== "") refuse("a parent control group");
  const root = op.mounts.find((mount) => mount.dest === "/");
  if (root === undefined || root.type !== "bind")
    throw new BuildError("invalid-argument", "an exec op has no mount on /");
  if (root.readonly || root.selector !== "") refuse("an exec op with a read-only or partial root filesystem");
  for (const mount of op.mounts) refuseMount(mount, refuse);
}

function refuseMount(mount: ExecMount, refuse: (what: string) => never): void {
  if (mount.type === "secret" || mount.type === "ssh") refuse(`RUN --mount=type=${mount.type}`);
  if (mount.dest !== "/" && mount.output !== skipOutput) refuse(`the result of a mount on ${mount.dest}`);
}

async function runStep(
  op: ExecOp,
  inputs: readonly Ref[],
  context: JobContext,
  { layers, executor: getExecutor, root }: ExecDependencies,
): Promise<readonly Ref[]> {
  const rootMount = op.mounts.find((mount) => mount.dest === "/")!;
  const base: Snapshot =
    rootMount.input < 0 ? { layers: [] } : snapshotOf(inputs[rootMount.input], "the root filesystem of RUN");
  const executor = await getExecutor();
  const log = openStepLog(root, context);
  const mounts = await prepareMounts(op, inputs, { layers, root, executor, context });
  const upper = executor.createUpper();
  try {
    const lowers = await layers.directories(base, context.signal);
    const status = await execute(op, executor, { lowers, upper }, mounts, log, context);
    checkStatus(op, status, log);
  } finally {
    mounts.release();
    log.close();
  }
  if (rootMount.output === skipOutput) return [];
  const layer = await layers.adoptUpper(upper, context.signal);
  return [{ kind: "snapshot", snapshot: { layers: [...base.layers, layer] } }];
}

function execute(
  op: ExecOp,
  executor: Executor,
  root: { readonly lowers: readonly string[]; readonly upper: string },
  mounts: PreparedMounts,
  log: StepLog,
  context: JobContext,
): Promise<ExitStatus> {
  const { meta } = op;
  return executor.run(
    root,
    {
      args: meta.args,
      env: [...meta.env, ...proxyEnv(op)],
      cwd: meta.cwd,
      user: meta.user,
      network: op.network === "unset" ? "default" : op.network,
      hostname: meta.hostname,
      extraHosts: meta.extraHosts,
      ulimits: meta.ulimits,
    },
    mounts.mounts,
    {
      stdin: "ignore",
      onOutput: (stream, data) => log.write(stream, data),
      onWarning: (short) => context.emit({ kind: "warning", vertex: context.vertex, level: 1, short }),
    },
    context.signal,
  );
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

function checkStatus(op: ExecOp, status: ExitStatus, log: StepLog): void {
  const valid = op.meta.validExitCodes.length > 0 ? op.meta.validExitCodes : [0];
  if (valid.includes(status.code)) return;
  const command = goQuote(op.meta.args.join(" "));
  throw new BuildError(
    "unknown",
    `process ${command} did not complete successfully: exit code: ${status.code}`,
    {
      ...(status.code === 137 ? { hint: "137 is SIGKILL: the machine may have run out of memory" } : {}),
      details: {
        exitCode: status.code,
        logTail: log.tail(),
        ...(log.file() === undefined ? {} : { logFile: log.file()! }),
      },
    },
  );
}

const shortEscapes: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
  '"': '\\"',
};

/** Go's `%q`, which BuildKit's message is written with. */
export function goQuote(text: string): string {
  const escaped = text.replace(/["\\]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, (character) => {
    const short = shortEscapes[character];
    if (short !== undefined) return short;
    const code = character.codePointAt(0)!;
    if (code < 0x80) return `\\x${code.toString(16).padStart(2, "0")}`;
    return code > 0xffff
      ? `\\U${code.toString(16).padStart(8, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
  return `"${escaped}"`;
}
