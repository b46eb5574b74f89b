import { BuildError } from "../core/index.ts";
import type {
  ChownOpt,
  CopyAction,
  FileAction,
  FileActionBody,
  FileOp,
  MkdirAction,
  MkfileAction,
  RmAction,
  SymlinkAction,
  UserOpt,
} from "./op.ts";
import type { WireReader } from "./wire-reader.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Reads a `pb.FileOp`. */
export function decodeFile(r: WireReader): FileOp {
  const actions: FileAction[] = [];
  r.fields((field) => field === 2 && actions.push(decodeAction(r.message("LLB file action"))));
  return { kind: "file", actions };
}

function decodeAction(r: WireReader): FileAction {
  let input = 0;
  let secondaryInput = 0;
  let output = 0;
  let action: FileActionBody | undefined;
  r.fields((field) => {
    if (field === 1) input = r.int();
    else if (field === 2) secondaryInput = r.int();
    else if (field === 3) output = r.int();
    else if (field === 4) action = decodeCopy(r.message("LLB copy"));
    else if (field === 5) action = decodeMkfile(r.message("LLB mkfile"));
    else if (field === 6) action = decodeMkdir(r.message("LLB mkdir"));
    else if (field === 7) action = decodeRm(r.message("LLB rm"));
    else if (field === 8) action = decodeSymlink(r.message("LLB symlink"));
  });
  if (action === undefined) throw new BuildError("unimplemented", "unknown action in an LLB file op");
  return { input, secondaryInput, output, action };
}

function decodeCopy(r: WireReader): CopyAction {
  const includePatterns: string[] = [];
  const excludePatterns: string[] = [];
  const requiredPaths: string[] = [];
  const copy: Mutable<CopyAction> = {
    kind: "copy",
    src: "",
    dest: "",
    mode: 0,
    followSymlink: false,
    dirCopyContents: false,
    attemptUnpack: false,
    createDestPath: false,
    allowWildcard: false,
    allowEmptyWildcard: false,
    timestamp: 0n,
    includePatterns,
    excludePatterns,
    alwaysReplaceExistingDestPaths: false,
    modeStr: "",
    requiredPaths,
  };
  r.fields((field) => {
    if (field === 1) copy.src = r.string();
    else if (field === 2) copy.dest = r.string();
    else if (field === 3) copy.owner = decodeOwner(r.message("LLB owner"));
    else if (field === 4) copy.mode = r.int32();
    else if (field === 5) copy.followSymlink = r.bool();
    else if (field === 6) copy.dirCopyContents = r.bool();
    else if (field === 7) copy.attemptUnpack = r.bool();
    else if (field === 8) copy.createDestPath = r.bool();
    else if (field === 9) copy.allowWildcard = r.bool();
    else if (field === 10) copy.allowEmptyWildcard = r.bool();
    else if (field === 11) copy.timestamp = r.bigint();
    else if (field === 12) includePatterns.push(r.string());
    else if (field === 13) excludePatterns.push(r.string());
    else if (field === 14) copy.alwaysReplaceExistingDestPaths = r.bool();
    else if (field === 15) copy.modeStr = r.string();
    else if (field === 16) requiredPaths.push(r.string());
  });
  return copy;
}

function decodeMkfile(r: WireReader): MkfileAction {
  const mkfile: Mutable<MkfileAction> = {
    kind: "mkfile",
    path: "",
    mode: 0,
    data: new Uint8Array(),
    timestamp: 0n,
  };
  r.fields((field) => {
    if (field === 1) mkfile.path = r.string();
    else if (field === 2) mkfile.mode = r.int32();
    else if (field === 3) mkfile.data = r.bytes();
    else if (field === 4) mkfile.owner = decodeOwner(r.message("LLB owner"));
    else if (field === 5) mkfile.timestamp = r.bigint();
  });
  return mkfile;
}

function decodeMkdir(r: WireReader): MkdirAction {
  const mkdir: Mutable<MkdirAction> = { kind: "mkdir", path: "", mode: 0, makeParents: false, timestamp: 0n };
  r.fields((field) => {
    if (field === 1) mkdir.path = r.string();
    else if (field === 2) mkdir.mode = r.int32();
    else if (field === 3) mkdir.makeParents = r.bool();
    else if (field === 4) mkdir.owner = decodeOwner(r.message("LLB owner"));
    else if (field === 5) mkdir.timestamp = r.bigint();
  });
  return mkdir;
}

function decodeRm(r: WireReader): RmAction {
  const rm: Mutable<RmAction> = { kind: "rm", path: "", allowNotFound: false, allowWildcard: false };
  r.fields((field) => {
    if (field === 1) rm.path = r.string();
    else if (field === 2) rm.allowNotFound = r.bool();
    else if (field === 3) rm.allowWildcard = r.bool();
  });
  return rm;
}

function decodeSymlink(r: WireReader): SymlinkAction {
  const symlink: Mutable<SymlinkAction> = { kind: "symlink", oldpath: "", newpath: "", timestamp: 0n };
  r.fields((field) => {
    if (field === 1) symlink.oldpath = r.string();
    else if (field === 2) symlink.newpath = r.string();
    else if (field === 3) symlink.owner = decodeOwner(r.message("LLB owner"));
    else if (field === 4) symlink.timestamp = r.bigint();
  });
  return symlink;
}

function decodeOwner(r: WireReader): ChownOpt {
  const owner: Mutable<ChownOpt> = {};
  r.fields((field) => {
    if (field !== 1 && field !== 2) return;
    const user = decodeUser(r.message("LLB user"));
    if (user !== undefined) owner[field === 1 ? "user" : "group"] = user;
  });
  return owner;
}

function decodeUser(r: WireReader): UserOpt | undefined {
  let user: UserOpt | undefined;
  r.fields((field) => {
    if (field === 1) user = decodeNamedUser(r.message("LLB user name"));
    else if (field === 2) user = { kind: "id", id: r.uint32() };
  });
  return user;
}

function decodeNamedUser(r: WireReader): UserOpt {
  let name = "";
  let input = 0;
  r.fields((field) => {
    if (field === 1) name = r.string();
    else if (field === 2) input = r.int();
  });
  return { kind: "name", name, input };
}
