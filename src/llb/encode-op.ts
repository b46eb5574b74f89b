import { goText, type Platform } from "../core/index.ts";
import type {
  BuildOp,
  ChownOpt,
  DiffOp,
  ExecMount,
  ExecOp,
  FileAction,
  FileActionBody,
  LentFile,
  MergeOp,
  Op,
  OpBody,
  SourceOp,
  UserOpt,
} from "./op.ts";
import { WireWriter } from "./wire-writer.ts";

const netModes = { unset: 0, host: 1, none: 2 } as const;
const securityModes = { sandbox: 0, insecure: 1 } as const;
const mountTypes = { bind: 0, secret: 1, ssh: 2, cache: 3, tmpfs: 4 } as const;
const sharingModes = { shared: 0, private: 1, locked: 2 } as const;
const contentCacheModes = { default: 0, on: 1, off: 2 } as const;
const bodyFields = { exec: 2, source: 3, file: 4, build: 5, merge: 6, diff: 7 } as const;
const actionFields = { copy: 4, mkfile: 5, mkdir: 6, rm: 7, symlink: 8 } as const;

/**
 * The bytes that BuildKit gets from Go's deterministic marshaller, whose hash is the vertex's digest: fields by
 * number, but members of a oneof after all others; map entries sorted by key, with key and value always written.
 */
export function encodeOp(op: Op): Uint8Array {
  const w = new WireWriter();
  for (const input of op.inputs)
    w.message(1, () => {
      w.string(1, input.digest);
      w.int(2, input.index);
    });
  const { platform, constraints, body } = op;
  if (platform !== undefined) w.message(10, () => writePlatform(w, platform));
  if (constraints !== undefined) w.message(11, () => w.strings(1, constraints.filter));
  if (body !== undefined) w.message(bodyFields[body.kind], () => writeBody(w, body));
  return w.finish();
}

function writePlatform(w: WireWriter, platform: Platform): void {
  w.string(1, platform.architecture);
  w.string(2, platform.os);
  w.string(3, platform.variant ?? "");
  w.string(4, platform["os.version"] ?? "");
  w.strings(5, platform["os.features"] ?? []);
}

function writeBody(w: WireWriter, body: OpBody): void {
  switch (body.kind) {
    case "exec":
      writeExec(w, body);
      return;
    case "source":
      writeSource(w, body);
      return;
    case "file":
      for (const action of body.actions) w.message(2, () => writeFileAction(w, action));
      return;
    case "build":
      writeBuild(w, body);
      return;
    case "merge":
      writeMerge(w, body);
      return;
    case "diff":
      writeDiff(w, body);
      return;
  }
}

function writeExec(w: WireWriter, exec: ExecOp): void {
  w.message(1, () => writeMeta(w, exec.meta));
  for (const mount of exec.mounts) w.message(2, () => writeMount(w, mount));
  w.int(3, netModes[exec.network]);
  w.int(4, securityModes[exec.security]);
  for (const secret of exec.secretEnv)
    w.message(5, () => {
      w.string(1, secret.id);
      w.string(2, secret.name);
      w.bool(3, secret.optional);
    });
  for (const device of exec.cdiDevices)
    w.message(6, () => {
      w.string(1, device.name);
      w.bool(2, device.optional);
    });
}

function writeMeta(w: WireWriter, meta: ExecOp["meta"]): void {
  w.strings(1, meta.args);
  w.strings(2, meta.env);
  w.string(3, meta.cwd);
  w.string(4, meta.user);
  const proxy = meta.proxyEnv;
  if (proxy !== undefined)
    w.message(5, () => {
      w.string(1, proxy.httpProxy);
      w.string(2, proxy.httpsProxy);
      w.string(3, proxy.ftpProxy);
      w.string(4, proxy.noProxy);
      w.string(5, proxy.allProxy);
    });
  for (const { host, ip } of meta.extraHosts)
    w.message(6, () => {
      w.string(1, host);
      w.string(2, ip);
    });
  w.string(7, meta.hostname);
  for (const { name, soft, hard } of meta.ulimits)
    w.message(9, () => {
      w.string(1, name);
      w.int(2, soft);
      w.int(3, hard);
    });
  w.string(10, meta.cgroupParent);
  w.bool(11, meta.removeMountStubsRecursive);
  w.packedInts(12, meta.validExitCodes);
}

function writeMount(w: WireWriter, mount: ExecMount): void {
  w.int(1, mount.input);
  w.string(2, mount.selector);
  w.string(3, mount.dest);
  w.int(4, mount.output);
  w.bool(5, mount.readonly);
  w.int(6, mountTypes[mount.type]);
  const { tmpfs, cache, secret, ssh } = mount;
  if (tmpfs !== undefined) w.message(19, () => w.int(1, tmpfs.size));
  if (cache !== undefined)
    w.message(20, () => {
      w.string(1, cache.id);
      w.int(2, sharingModes[cache.sharing]);
    });
  if (secret !== undefined) w.message(21, () => writeLentFile(w, secret));
  if (ssh !== undefined) w.message(22, () => writeLentFile(w, ssh));
  w.string(23, mount.resultId);
  w.int(24, contentCacheModes[mount.contentCache]);
}

function writeLentFile(w: WireWriter, file: LentFile): void {
  w.string(1, file.id);
  w.int(2, file.uid);
  w.int(3, file.gid);
  w.int(4, file.mode);
  w.bool(5, file.optional);
}

function writeSource(w: WireWriter, source: SourceOp): void {
  w.string(1, source.identifier);
  writeStringMap(w, 2, source.attrs);
}

function writeFileAction(w: WireWriter, action: FileAction): void {
  w.int(1, action.input);
  w.int(2, action.secondaryInput);
  w.int(3, action.output);
  w.message(actionFields[action.action.kind], () => writeActionBody(w, action.action));
}

function writeActionBody(w: WireWriter, action: FileActionBody): void {
  switch (action.kind) {
    case "copy":
      w.string(1, action.src);
      w.string(2, action.dest);
      writeOwner(w, 3, action.owner);
      w.int(4, action.mode);
      w.bool(5, action.followSymlink);
      w.bool(6, action.dirCopyContents);
      w.bool(7, action.attemptUnpack);
      w.bool(8, action.createDestPath);
      w.bool(9, action.allowWildcard);
      w.bool(10, action.allowEmptyWildcard);
      w.int(11, action.timestamp);
      w.strings(12, action.includePatterns);
      w.strings(13, action.excludePatterns);
      w.bool(14, action.alwaysReplaceExistingDestPaths);
      w.string(15, action.modeStr);
      w.strings(16, action.requiredPaths);
      return;
    case "mkfile":
      w.string(1, action.path);
      w.int(2, action.mode);
      w.bytes(3, action.data);
      writeOwner(w, 4, action.owner);
      w.int(5, action.timestamp);
      return;
    case "mkdir":
      w.string(1, action.path);
      w.int(2, action.mode);
      w.bool(3, action.makeParents);
      writeOwner(w, 4, action.owner);
      w.int(5, action.timestamp);
      return;
    case "rm":
      w.string(1, action.path);
      w.bool(2, action.allowNotFound);
      w.bool(3, action.allowWildcard);
      return;
    case "symlink":
      w.string(1, action.oldpath);
      w.string(2, action.newpath);
      writeOwner(w, 3, action.owner);
      w.int(4, action.timestamp);
      return;
  }
}

function writeOwner(w: WireWriter, field: number, owner: ChownOpt | undefined): void {
  if (owner === undefined) return;
  const { user, group } = owner;
  w.message(field, () => {
    if (user !== undefined) w.message(1, () => writeUser(w, user));
    if (group !== undefined) w.message(2, () => writeUser(w, group));
  });
}

function writeUser(w: WireWriter, user: UserOpt): void {
  if (user.kind === "id") w.alwaysInt(2, user.id);
  else
    w.message(1, () => {
      w.string(1, user.name);
      w.int(2, user.input);
    });
}

function writeBuild(w: WireWriter, build: BuildOp): void {
  w.int(1, build.builder);
  for (const [name, input] of sortedEntries(build.inputs))
    w.message(2, () => {
      w.alwaysString(1, name);
      w.message(2, () => w.int(1, input));
    });
  if (build.definition !== undefined) w.alwaysBytes(3, build.definition);
  writeStringMap(w, 4, build.attrs);
}

function writeMerge(w: WireWriter, merge: MergeOp): void {
  for (const input of merge.inputs) w.message(1, () => w.int(1, input));
}

function writeDiff(w: WireWriter, diff: DiffOp): void {
  const { lower, upper } = diff;
  if (lower !== undefined) w.message(1, () => w.int(1, lower));
  if (upper !== undefined) w.message(2, () => w.int(1, upper));
}

function writeStringMap(w: WireWriter, field: number, map: Readonly<Record<string, string>>): void {
  for (const [key, value] of sortedEntries(map))
    w.message(field, () => {
      w.alwaysString(1, key);
      w.alwaysString(2, value);
    });
}

function sortedEntries<T>(map: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(map).sort((a, b) => goText.compare(a[0], b[0]));
}
