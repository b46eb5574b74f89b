import { posix } from "node:path";
import { type Mount, type MountFlag, type RunInstruction, resolveMount } from "../../dockerfile/index.ts";
import {
  fileVertex,
  type LentMount,
  type LlbEdge,
  type MountRequest,
  type SecretEnv,
} from "../../llb/index.ts";
import { cleanPath, joinPath } from "../paths.ts";
import { errorAtRange, invalid, requireCapability } from "../refuse.ts";
import type { FileSource, StageState, Step } from "../stage-state.ts";
import { internalName } from "../step-name.ts";
import { expanderOf } from "./expand.ts";

/** The `--mount`s of a RUN, by where they go in an exec op. */
export interface RunMounts {
  readonly mounts: readonly MountRequest[];
  readonly secretFiles: readonly LentMount[];
  readonly secretEnv: readonly SecretEnv[];
  readonly sshSockets: readonly LentMount[];
}

/** `RUN --mount` flags, with what they refer to. */
export function convertMounts(state: StageState, step: Step<RunInstruction>): RunMounts {
  const mounts: MountRequest[] = [];
  const secretFiles: LentMount[] = [];
  const secretEnv: SecretEnv[] = [];
  const sshSockets: LentMount[] = [];
  const { notes } = step.stage;
  step.instruction.mounts.forEach((flag, index) => {
    const mount = atFlag(step, flag, () => {
      const read = resolveMount(flag, expanderOf(step, state));
      requireMount(step, read);
      return read;
    });
    if (mount.type === "secret") {
      const secret = secretOf(mount);
      notes.secrets.push({ id: secret.id, required: mount.required, range: step.range });
      if (secret.file !== undefined) secretFiles.push(secret.file);
      if (secret.variable !== undefined) secretEnv.push(secret.variable);
    } else if (mount.type === "ssh") {
      sshSockets.push(sshOf(mount, sshSockets.length));
      notes.sshAgents.push({ id: mount.id || "default", required: mount.required, range: step.range });
    } else mounts.push(filesOf(state, step, mount, index));
  });
  return { mounts, secretFiles, secretEnv, sshSockets };
}

/** Errors point at the flag, where its text is in the file. */
function atFlag<T>(step: Step<RunInstruction>, { range }: MountFlag, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw errorAtRange(
      step.stage.build,
      step.original.range === step.original.node.range ? range : step.range,
      error,
    );
  }
}

function requireMount({ stage: { build } }: Step<RunInstruction>, mount: Mount): void {
  const feature = `RUN --mount=type=${mount.type}`;
  const capability =
    mount.type === "secret" && mount.env !== undefined ? "exec.secretenv" : `exec.mount.${mount.type}`;
  requireCapability(build, capability, feature);
}

function filesOf(state: StageState, step: Step<RunInstruction>, mount: Mount, index: number): MountRequest {
  const source = mount.type === "tmpfs" ? empty : sourceOf(step, mount, index);
  const path = posix.join("/", mount.source);
  markUsed(step, mount, index, path);
  const target = targetOf(state, mount);
  const owned =
    path === "/" && (mount.uid !== undefined || mount.gid !== undefined || mount.mode !== undefined);
  return {
    target,
    source: owned ? ownedDirectory(source.edge, mount) : source.edge,
    ...(path !== "/" && { selector: cleanPath(path) }),
    ...(owned && { selector: "/cache" }),
    readonly: mount.readOnly,
    discard: !mount.readOnly && mount.type === "bind",
    ...(mount.type === "tmpfs" && { tmpfs: { size: mount.size } }),
    ...(mount.type === "cache" && { cache: cacheOf(step, mount) }),
  };
}

const empty: FileSource = { edge: undefined, paths: new Set() };

function sourceOf(step: Step<RunInstruction>, mount: Mount, index: number): FileSource {
  if (mount.from !== "") return step.stage.source(step.original, index);
  return mount.type === "cache" ? empty : step.stage.build.mainContext;
}

function markUsed(step: Step<RunInstruction>, mount: Mount, index: number, path: string): void {
  if (mount.from !== "") step.stage.source(step.original, index).paths.add(path);
  else if (mount.type === "tmpfs") {
    // As in BuildKit, where a tmpfs counts as a use of the whole context.
    step.stage.build.mainContext.paths.add(path);
  } else if (mount.type === "bind") step.stage.build.mainContext.paths.add(path);
}

function targetOf(state: StageState, mount: Mount): string {
  const target = mount.target.startsWith("/") ? mount.target : joinPath("/", state.cwd, mount.target);
  if (target === "/") throw invalid(`invalid mount target "${target}"`);
  return target;
}

function cacheOf(step: Step<RunInstruction>, mount: Mount): NonNullable<MountRequest["cache"]> {
  const namespace = step.stage.build.options.cacheNamespace ?? "";
  const id = mount.id === "" ? cleanPath(mount.target) : mount.id;
  return { id: `${namespace}/${id}`, sharing: mount.sharing ?? "shared" };
}

/** A directory with the owner and mode that the mount asks for. */
function ownedDirectory(base: LlbEdge | undefined, mount: Mount): LlbEdge {
  const action = {
    kind: "mkdir",
    path: "/cache",
    mode: (mount.mode ?? 0o755) & 0o777,
    makeParents: false,
    owner: { user: { id: mount.uid ?? 0 }, group: { id: mount.gid ?? 0 } },
    timestamp: -1n,
  } as const;
  return fileVertex(base, [{ action }], { name: internalName("setting cache mount permissions") });
}

function secretOf(mount: Mount): { id: string; file?: LentMount; variable?: SecretEnv } {
  const id = mount.source || mount.id || posix.basename(mount.target);
  const optional = !mount.required;
  const asFile = mount.env === undefined || mount.target !== "";
  const target = mount.target || `/run/secrets/${posix.basename(id)}`;
  return {
    id,
    ...(asFile && { file: { target, file: { id, ...ownerOf(mount, 0o400), optional } } }),
    ...(mount.env !== undefined && { variable: { id, name: mount.env || id, optional } }),
  };
}

function sshOf(mount: Mount, index: number): LentMount {
  if (mount.source !== "") throw invalid("ssh does not support source");
  const target = mount.target || `/run/buildkit/ssh_agent.${index}`;
  return { target, file: { id: mount.id, ...ownerOf(mount, 0o600), optional: !mount.required } };
}

function ownerOf(mount: Mount, mode: number): { uid: number; gid: number; mode: number } {
  return { uid: mount.uid ?? 0, gid: mount.gid ?? 0, mode: mount.mode ?? mode };
}
