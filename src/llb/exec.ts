import { goText } from "../core/index.ts";
import { inputIndex, type LlbEdge, type LlbVertex, makeVertex, type VertexOptions } from "./graph.ts";
import {
  type CacheSharing,
  type CdiDevice,
  type ExecMeta,
  type ExecMount,
  emptyInput,
  type LentFile,
  type MountType,
  type NetMode,
  type SecretEnv,
  type SecurityMode,
  skipOutput,
} from "./op.ts";

/** A mount as a caller asks for it. `source` undefined: it starts empty. */
export interface MountRequest {
  readonly target: string;
  readonly source: LlbEdge | undefined;
  readonly selector?: string;
  readonly readonly?: boolean;
  /** Writable, but what is written is thrown away. */
  readonly discard?: boolean;
  readonly tmpfs?: { readonly size: number };
  readonly cache?: { readonly id: string; readonly sharing: CacheSharing };
}

/** What `execVertex` makes a vertex of. */
export interface ExecRequest {
  readonly root: LlbEdge | undefined;
  readonly meta: Omit<ExecMeta, "removeMountStubsRecursive" | "validExitCodes">;
  readonly network: NetMode;
  readonly security: SecurityMode;
  /** Beside the root. */
  readonly mounts: readonly MountRequest[];
  readonly secretFiles: readonly LentMount[];
  readonly secretEnv: readonly SecretEnv[];
  readonly sshSockets: readonly LentMount[];
  readonly devices: readonly CdiDevice[];
}

/** A secret or an agent's socket, and where the process finds it. */
export interface LentMount {
  readonly target: string;
  readonly file: LentFile;
}

/** A process. The result is the root filesystem as the process leaves it. */
export function execVertex(request: ExecRequest, options: VertexOptions): LlbEdge {
  const rootRequest: MountRequest = { target: "/", source: request.root };
  const ordered = [rootRequest, ...request.mounts].sort((a, b) => goText.compare(a.target, b.target));
  const inputs: LlbEdge[] = [];
  const twins: LlbVertex[] = [];
  const mounts: ExecMount[] = [];
  let outputs = 0;
  let rootOutput = 0;
  for (const mount of ordered) {
    const output = hasOutput(mount) ? outputs++ : skipOutput;
    if (mount === rootRequest) rootOutput = output;
    const input = mount.source === undefined ? emptyInput : inputIndex(inputs, mount.source);
    mounts.push(mountOf(mount, input, output));
    if (mount.source !== undefined && inputs[input]!.vertex !== mount.source.vertex)
      twins.push(mount.source.vertex);
  }
  for (const { target, file } of request.secretFiles) mounts.push(lentMount(target, "secret", file));
  for (const { target, file } of request.sshSockets) mounts.push(lentMount(target, "ssh", file));
  const vertex = makeVertex(
    {
      kind: "exec",
      meta: { ...request.meta, removeMountStubsRecursive: true, validExitCodes: [] },
      mounts,
      network: request.network,
      security: request.security,
      secretEnv: request.secretEnv,
      cdiDevices: request.devices,
    },
    inputs,
    { ...options, caps: capsOf(request, ordered) },
  );
  return { vertex: twins.length === 0 ? vertex : { ...vertex, twins }, index: rootOutput };
}

function hasOutput(mount: MountRequest): boolean {
  return !mount.readonly && !mount.discard && mount.tmpfs === undefined && mount.cache === undefined;
}

function mountOf(mount: MountRequest, input: number, output: number): ExecMount {
  const { tmpfs, cache } = mount;
  return {
    input,
    selector: mount.selector ?? "",
    dest: mount.target,
    output,
    readonly: mount.readonly ?? false,
    type: tmpfs !== undefined ? "tmpfs" : cache !== undefined ? "cache" : "bind",
    ...(tmpfs !== undefined && { tmpfs }),
    ...(cache !== undefined && { cache }),
    resultId: "",
    contentCache: "default",
  };
}

function lentMount(target: string, type: MountType & ("secret" | "ssh"), file: LentFile): ExecMount {
  return {
    input: emptyInput,
    selector: "",
    dest: target,
    // BuildKit leaves 0 here, though nothing comes out of these.
    output: 0,
    readonly: false,
    type,
    ...(type === "secret" ? { secret: file } : { ssh: file }),
    resultId: "",
    contentCache: "default",
  };
}

function capsOf(request: ExecRequest, mounts: readonly MountRequest[]): string[] {
  const caps = new Set(["exec.meta.base", "exec.meta.setsdefaultpath"]);
  if (request.network !== "unset") caps.add("exec.meta.network");
  if (request.security !== "sandbox") caps.add("exec.meta.security");
  if (request.meta.proxyEnv !== undefined) caps.add("exec.meta.proxyenv");
  if (request.meta.ulimits.length > 0) caps.add("exec.meta.ulimit");
  if (request.devices.length > 0) caps.add("exec.meta.cdi");
  if (request.secretFiles.length + request.secretEnv.length > 0) caps.add("exec.mount.secret");
  if (request.secretEnv.length > 0) caps.add("exec.secretenv");
  if (request.sshSockets.length > 0) caps.add("exec.mount.ssh");
  for (const mount of mounts) {
    if (mount.selector) caps.add("exec.mount.selector");
    if (mount.cache !== undefined) caps.add("exec.mount.cache").add("exec.mount.cache.sharing");
    else if (mount.tmpfs !== undefined) {
      caps.add("exec.mount.tmpfs");
      if (mount.tmpfs.size > 0) caps.add("exec.mount.tmpfs.size");
    } else if (mount.source !== undefined) caps.add("exec.mount.bind");
  }
  return [...caps];
}
