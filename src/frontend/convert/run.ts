import { goText } from "../../core/index.ts";
import { chompTabs, parseHeredocOperator, type RunInstruction } from "../../dockerfile/index.ts";
import { execVertex, type LlbEdge, type MountRequest } from "../../llb/index.ts";
import { invalid, refuse, requireCapability, requireEntitlement } from "../refuse.ts";
import { commitLayer, type StageContext, type StageState, type Step } from "../stage-state.ts";
import { nameStep, shownText, stepOptions } from "../step-name.ts";
import { commandOf } from "./command.ts";
import { inlineFile } from "./inline-file.ts";
import { convertMounts, type RunMounts } from "./mounts.ts";

/** RUN: a process whose changes become a layer. */
export function convertRun(state: StageState, step: Step<RunInstruction>): StageState {
  const { instruction, stage } = step;
  const { build } = stage;
  const { options } = build;
  // A process may look at anything.
  stage.paths.add("/");
  checkFeatures(step);
  const command = runCommand(state, instruction);
  const args = commandOf(state.image, { args: command.args, shell: command.shell });
  const mounts = convertMounts(state, step);
  const { name, state: named } = nameRun(state, step, command.summary, mounts);
  const edge = execVertex(
    {
      root: state.edge,
      meta: {
        args,
        env: environmentOf(state, mounts),
        cwd: state.cwd,
        user: state.user,
        ...(build.proxyEnv !== undefined && { proxyEnv: build.proxyEnv }),
        extraHosts: options.extraHosts ?? [],
        hostname: options.hostname ?? "",
        ulimits: options.ulimits ?? [],
        cgroupParent: options.cgroupParent ?? "",
      },
      network: networkOf(stage, instruction),
      security: instruction.security,
      mounts: [...command.mounts, ...mounts.mounts, ...sharedMemory(stage)],
      secretFiles: mounts.secretFiles,
      secretEnv: mounts.secretEnv,
      sshSockets: mounts.sshSockets,
      devices: instruction.devices.map(({ name, required }) => ({ name, optional: !required })),
    },
    {
      ...stepOptions(step, name),
      description: { "com.docker.dockerfile.v1.command": instruction.code },
      platform: state.rootPlatform ?? build.targetPlatform,
    },
  );
  return commitLayer({ ...named, edge }, build, `RUN ${historyOf(state, args)} # buildkit`);
}

/** What the process sees; ssh clients find the first agent that is lent. */
function environmentOf(state: StageState, { sshSockets: [agent] }: RunMounts): string[] {
  const env = [...state.env].map(([key, value]) => `${key}=${value}`);
  if (agent !== undefined && !state.env.has("SSH_AUTH_SOCK")) env.push(`SSH_AUTH_SOCK=${agent.target}`);
  return env;
}

function checkFeatures(step: Step<RunInstruction>): void {
  const { instruction, stage } = step;
  const { build } = stage;
  if (instruction.security === "insecure") {
    requireCapability(build, "exec.meta.security", "RUN --security=insecure");
    requireEntitlement(build, "security.insecure");
  }
  if (networkOf(step.stage, instruction) === "host") requireEntitlement(build, "network.host");
  for (const { name, required } of instruction.devices)
    if (required && !build.capabilities.has("exec.meta.cdi"))
      throw refuse(`required device ${goText.quote(name)} is not registered: RUN --device`);
}

function networkOf(stage: StageContext, instruction: RunInstruction): "unset" | "host" | "none" {
  // `--network=default` is the same as no flag: the build's own mode holds.
  const mode =
    instruction.network === "default" ? (stage.build.options.network ?? "default") : instruction.network;
  return mode === "default" ? "unset" : mode;
}

function sharedMemory({ build }: StageContext): MountRequest[] {
  const size = build.options.shmSize ?? 0;
  return size > 0 ? [{ target: "/dev/shm", source: undefined, tmpfs: { size } }] : [];
}

interface RunCommand {
  readonly args: readonly string[];
  readonly shell: boolean;
  /** What the name shows of a here-document. */
  readonly summary: string;
  readonly mounts: readonly MountRequest[];
}

/**
 * The command with its here-documents. One that is the whole command is the script: run by its own interpreter when
 * it names one, else by the shell. Any other is handed to the shell as it was written.
 */
function runCommand(state: StageState, { command, files }: RunInstruction): RunCommand {
  const plain: RunCommand = { ...command, summary: "", mounts: [] };
  const [first] = files;
  if (first === undefined) return plain;
  const [line] = command.args;
  if (line === undefined || command.args.length !== 1 || !command.shell)
    throw invalid("a here-document needs a RUN in shell form");
  if (parseHeredocOperator(line) === undefined) {
    const documents = files.map((file) => `\n${file.data}${file.name}`).join("");
    return { ...plain, args: [line + documents] };
  }
  const script = first.chomp ? chompTabs(first.data) : first.data;
  const summary = ` (${summarise(first.data)})`;
  if (state.image.os === "windows" || !first.data.startsWith("#!"))
    return { ...plain, args: [script], summary };
  const directory = "/dev/pipes/";
  const source: LlbEdge = inlineFile(first.name, script, 0o755);
  return {
    // BuildKit runs the script through the shell, like any other command in shell form.
    args: [directory + first.name],
    shell: true,
    summary,
    mounts: [{ target: directory, source, selector: "/", readonly: true }],
  };
}

function summarise(document: string): string {
  const lines = document.trim().replaceAll("\r\n", "\n").split("\n");
  return lines[0]! + (lines.length > 1 ? "..." : "");
}

function nameRun(state: StageState, step: Step<RunInstruction>, summary: string, mounts: RunMounts) {
  const secrets = new Set(mounts.secretEnv.map((secret) => secret.name));
  const variables = { get: (key: string) => (secrets.has(key) ? "****" : state.env.get(key)) };
  const text = shownText(step, variables, step.instruction.code + summary, true);
  const platform = state.rootPlatform ?? step.stage.build.targetPlatform;
  return nameStep(step.stage, state, text, { platform, onbuild: step.onbuild, variables: state.env });
}

/** The arguments behind the ARGs that were in force: `|1 VERSION=2 /bin/sh -c make`. */
function historyOf(state: StageState, args: readonly string[]): string {
  const values = new Map<string, string>();
  for (const { key, value } of state.args) values.set(key, state.env.get(key) ?? value ?? "");
  const prefix =
    values.size === 0 ? [] : [`|${values.size}`, ...[...values].map(([key, value]) => `${key}=${value}`)];
  return [...prefix, ...args].join(" ");
}
