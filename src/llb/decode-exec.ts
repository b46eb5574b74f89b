import { BuildError } from "../core/index.ts";
import type { CdiDevice, ExecMeta, ExecMount, ExecOp, LentFile, ProxyEnv, SecretEnv } from "./op.ts";
import type { WireReader } from "./wire-reader.ts";

const netModes = ["unset", "host", "none"] as const;
const securityModes = ["sandbox", "insecure"] as const;
const mountTypes = ["bind", "secret", "ssh", "cache", "tmpfs"] as const;
const sharingModes = ["shared", "private", "locked"] as const;
const contentCacheModes = ["default", "on", "off"] as const;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Reads a `pb.ExecOp`. */
export function decodeExec(r: WireReader): ExecOp {
  let meta: ExecMeta | undefined;
  let network = 0;
  let security = 0;
  const mounts: ExecMount[] = [];
  const secretEnv: SecretEnv[] = [];
  const cdiDevices: CdiDevice[] = [];
  r.fields((field) => {
    if (field === 1) meta = decodeMeta(r.message("LLB exec meta"));
    else if (field === 2) mounts.push(decodeMount(r.message("LLB mount")));
    else if (field === 3) network = r.int32();
    else if (field === 4) security = r.int32();
    else if (field === 5) secretEnv.push(decodeSecretEnv(r.message("LLB secret variable")));
    else if (field === 6) cdiDevices.push(decodeDevice(r.message("LLB device")));
  });
  if (meta === undefined) throw new BuildError("invalid-argument", "malformed LLB exec op: it has no meta");
  return {
    kind: "exec",
    meta,
    mounts,
    network: oneOf(netModes, network, "network mode"),
    security: oneOf(securityModes, security, "security mode"),
    secretEnv,
    cdiDevices,
  };
}

function decodeMeta(r: WireReader): ExecMeta {
  const args: string[] = [];
  const env: string[] = [];
  const extraHosts: { host: string; ip: string }[] = [];
  const ulimits: { name: string; soft: number; hard: number }[] = [];
  const validExitCodes: number[] = [];
  const meta: Mutable<ExecMeta> = {
    args,
    env,
    cwd: "",
    user: "",
    extraHosts,
    hostname: "",
    ulimits,
    cgroupParent: "",
    removeMountStubsRecursive: false,
    validExitCodes,
  };
  r.fields((field) => {
    if (field === 1) args.push(r.string());
    else if (field === 2) env.push(r.string());
    else if (field === 3) meta.cwd = r.string();
    else if (field === 4) meta.user = r.string();
    else if (field === 5) meta.proxyEnv = decodeProxy(r.message("LLB proxy variables"));
    else if (field === 6) extraHosts.push(decodeHost(r.message("LLB extra host")));
    else if (field === 7) meta.hostname = r.string();
    else if (field === 9) ulimits.push(decodeUlimit(r.message("LLB ulimit")));
    else if (field === 10) meta.cgroupParent = r.string();
    else if (field === 11) meta.removeMountStubsRecursive = r.bool();
    else if (field === 12) r.int32s(validExitCodes);
  });
  return meta;
}

function decodeProxy(r: WireReader): ProxyEnv {
  const proxy: Mutable<ProxyEnv> = { httpProxy: "", httpsProxy: "", ftpProxy: "", noProxy: "", allProxy: "" };
  r.fields((field) => {
    if (field === 1) proxy.httpProxy = r.string();
    else if (field === 2) proxy.httpsProxy = r.string();
    else if (field === 3) proxy.ftpProxy = r.string();
    else if (field === 4) proxy.noProxy = r.string();
    else if (field === 5) proxy.allProxy = r.string();
  });
  return proxy;
}

function decodeHost(r: WireReader): { host: string; ip: string } {
  const host = { host: "", ip: "" };
  r.fields((field) => {
    if (field === 1) host.host = r.string();
    else if (field === 2) host.ip = r.string();
  });
  return host;
}

function decodeUlimit(r: WireReader): { name: string; soft: number; hard: number } {
  const ulimit = { name: "", soft: 0, hard: 0 };
  r.fields((field) => {
    if (field === 1) ulimit.name = r.string();
    else if (field === 2) ulimit.soft = r.int();
    else if (field === 3) ulimit.hard = r.int();
  });
  return ulimit;
}

function decodeMount(r: WireReader): ExecMount {
  let type = 0;
  let contentCache = 0;
  const mount: Mutable<ExecMount> = {
    input: 0,
    selector: "",
    dest: "",
    output: 0,
    readonly: false,
    type: "bind",
    resultId: "",
    contentCache: "default",
  };
  r.fields((field) => {
    if (field === 1) mount.input = r.int();
    else if (field === 2) mount.selector = r.string();
    else if (field === 3) mount.dest = r.string();
    else if (field === 4) mount.output = r.int();
    else if (field === 5) mount.readonly = r.bool();
    else if (field === 6) type = r.int32();
    else if (field === 19) mount.tmpfs = decodeTmpfs(r.message("LLB tmpfs"));
    else if (field === 20) mount.cache = decodeCache(r.message("LLB cache mount"));
    else if (field === 21) mount.secret = decodeLentFile(r.message("LLB secret"));
    else if (field === 22) mount.ssh = decodeLentFile(r.message("LLB ssh socket"));
    else if (field === 23) mount.resultId = r.string();
    else if (field === 24) contentCache = r.int32();
  });
  mount.type = oneOf(mountTypes, type, "mount type");
  mount.contentCache = oneOf(contentCacheModes, contentCache, "content cache mode");
  return mount;
}

function decodeTmpfs(r: WireReader): { size: number } {
  const tmpfs = { size: 0 };
  r.fields((field) => {
    if (field === 1) tmpfs.size = r.int();
  });
  return tmpfs;
}

function decodeCache(r: WireReader): NonNullable<ExecMount["cache"]> {
  let id = "";
  let sharing = 0;
  r.fields((field) => {
    if (field === 1) id = r.string();
    else if (field === 2) sharing = r.int32();
  });
  return { id, sharing: oneOf(sharingModes, sharing, "cache sharing mode") };
}

function decodeLentFile(r: WireReader): LentFile {
  const file: Mutable<LentFile> = { id: "", uid: 0, gid: 0, mode: 0, optional: false };
  r.fields((field) => {
    if (field === 1) file.id = r.string();
    else if (field === 2) file.uid = r.uint32();
    else if (field === 3) file.gid = r.uint32();
    else if (field === 4) file.mode = r.uint32();
    else if (field === 5) file.optional = r.bool();
  });
  return file;
}

function decodeSecretEnv(r: WireReader): SecretEnv {
  const secret: Mutable<SecretEnv> = { id: "", name: "", optional: false };
  r.fields((field) => {
    if (field === 1) secret.id = r.string();
    else if (field === 2) secret.name = r.string();
    else if (field === 3) secret.optional = r.bool();
  });
  return secret;
}

function decodeDevice(r: WireReader): CdiDevice {
  const device: Mutable<CdiDevice> = { name: "", optional: false };
  r.fields((field) => {
    if (field === 1) device.name = r.string();
    else if (field === 2) device.optional = r.bool();
  });
  return device;
}

function oneOf<T>(names: readonly T[], index: number, what: string): T {
  const name = names[index];
  if (name === undefined) throw new BuildError("unimplemented", `unknown ${what} ${index} in an LLB exec op`);
  return name;
}
