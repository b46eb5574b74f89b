import type { Digest, Platform } from "../core/index.ts";

/**
 * Plain data that mirrors BuildKit's `pb.Op`: one vertex of the build graph. Scalar fields are always there
 * (protobuf's zero is `0`, `""`, `false`), messages are absent when they are not set.
 */
export interface Op {
  readonly inputs: readonly OpInput[];
  /** Absent only in the terminal op of a definition, which does nothing but name the result. */
  readonly body?: OpBody;
  readonly platform?: Platform;
  readonly constraints?: WorkerConstraints;
}

/** What an op does, told apart by `kind`. */
export type OpBody = ExecOp | SourceOp | FileOp | BuildOp | MergeOp | DiffOp;

/** Output `index` of the op with this digest. */
export interface OpInput {
  readonly digest: Digest;
  readonly index: number;
}

/** Which workers may run the op. */
export interface WorkerConstraints {
  /** containerd-style filters. */
  readonly filter: readonly string[];
}

/** Where bytes come from: `docker-image://…`, `local://…`, `git://…`, `https://…`, `oci-layout://…`. */
export interface SourceOp {
  readonly kind: "source";
  readonly identifier: string;
  /** Keys are in `sourceAttributes`. */
  readonly attrs: Readonly<Record<string, string>>;
}

/** A process in a container. Outputs are the writable mounts, in the order of `mounts`. */
export interface ExecOp {
  readonly kind: "exec";
  readonly meta: ExecMeta;
  /** Sorted by `dest`; the root filesystem has `dest` `/`. */
  readonly mounts: readonly ExecMount[];
  readonly network: NetMode;
  readonly security: SecurityMode;
  readonly secretEnv: readonly SecretEnv[];
  readonly cdiDevices: readonly CdiDevice[];
}

/** The process of an `ExecOp`. */
export interface ExecMeta {
  readonly args: readonly string[];
  /** `K=V`. */
  readonly env: readonly string[];
  readonly cwd: string;
  /** `user[:group]`, names or ids; empty is root. */
  readonly user: string;
  /** Set for the process, but no part of what a cache key should be made of. */
  readonly proxyEnv?: ProxyEnv;
  readonly extraHosts: readonly { readonly host: string; readonly ip: string }[];
  readonly hostname: string;
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly cgroupParent: string;
  /** Stubs that the runtime creates as mount points are removed with their new parents. */
  readonly removeMountStubsRecursive: boolean;
  /** Empty: only 0. */
  readonly validExitCodes: readonly number[];
}

/** Proxy variables; an empty one is not set. */
export interface ProxyEnv {
  readonly httpProxy: string;
  readonly httpsProxy: string;
  readonly ftpProxy: string;
  readonly noProxy: string;
  readonly allProxy: string;
}

/** The network of a process; `unset` is the engine's default. */
export type NetMode = "unset" | "host" | "none";

/** `insecure`: a privileged process. */
export type SecurityMode = "sandbox" | "insecure";

/** What is mounted. */
export type MountType = "bind" | "secret" | "ssh" | "cache" | "tmpfs";

/** Whether a mount's content makes up a cache key; `default` leaves it to the engine. */
export type ContentCacheMode = "default" | "on" | "off";

/** What processes that want one cache directory at the same time do: use it together, get one each, wait. */
export type CacheSharing = "shared" | "private" | "locked";

/** A secret as an environment variable. */
export interface SecretEnv {
  readonly id: string;
  readonly name: string;
  readonly optional: boolean;
}

/** A device by its CDI name. */
export interface CdiDevice {
  readonly name: string;
  readonly optional: boolean;
}

/** Something that a process finds below `dest`. */
export interface ExecMount {
  /** Index into the op's inputs; `emptyInput` for a mount that starts empty. */
  readonly input: number;
  /** Path inside the input that is mounted; empty is all of it. */
  readonly selector: string;
  readonly dest: string;
  /** Which output of the op it becomes, or `skipOutput`. */
  readonly output: number;
  readonly readonly: boolean;
  readonly type: MountType;
  /** `size` in bytes, 0: no limit. */
  readonly tmpfs?: { readonly size: number };
  readonly cache?: { readonly id: string; readonly sharing: CacheSharing };
  readonly secret?: LentFile;
  readonly ssh?: LentFile;
  readonly resultId: string;
  readonly contentCache: ContentCacheMode;
}

/** A secret's file or an ssh agent's socket inside the container. */
export interface LentFile {
  readonly id: string;
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
  readonly optional: boolean;
}

/** `ExecMount.input`, `FileAction.input` of something that starts from nothing. */
export const emptyInput = -1;
/** `output` of a mount or file action whose result nobody can use. */
export const skipOutput = -1;

/** Changes to files. The actions run in order; each takes inputs or results of earlier actions. */
export interface FileOp {
  readonly kind: "file";
  readonly actions: readonly FileAction[];
}

/**
 * `input` and `secondaryInput` count the op's inputs first and the results of the actions after them:
 * with two inputs, 2 is the result of action 0. `emptyInput` is an empty filesystem.
 */
export interface FileAction {
  /** What is changed. */
  readonly input: number;
  /** What `copy` copies from. */
  readonly secondaryInput: number;
  /** Which output of the op the result is, or `skipOutput`. */
  readonly output: number;
  readonly action: FileActionBody;
}

/** What an action does, told apart by `kind`. */
export type FileActionBody = CopyAction | MkfileAction | MkdirAction | RmAction | SymlinkAction;

/** Nanoseconds since the epoch; -1n leaves the times as they are. */
export type Timestamp = bigint;

/** Copies from the secondary input. */
export interface CopyAction {
  readonly kind: "copy";
  readonly src: string;
  /** A trailing slash (or `/.`) means a directory. */
  readonly dest: string;
  readonly owner?: ChownOpt;
  /** Permission bits for everything copied, or -1. */
  readonly mode: number;
  readonly followSymlink: boolean;
  /** A directory's content is copied, not the directory itself. */
  readonly dirCopyContents: boolean;
  /** A local archive is unpacked, as ADD does. */
  readonly attemptUnpack: boolean;
  readonly createDestPath: boolean;
  readonly allowWildcard: boolean;
  readonly allowEmptyWildcard: boolean;
  readonly timestamp: Timestamp;
  readonly includePatterns: readonly string[];
  readonly excludePatterns: readonly string[];
  readonly alwaysReplaceExistingDestPaths: boolean;
  /** A symbolic mode (`u=rwX,go=rX`), or empty. */
  readonly modeStr: string;
  /** Paths that must be there; used together with `includePatterns`. */
  readonly requiredPaths: readonly string[];
}

/** Writes a file. `mode` is permission bits. */
export interface MkfileAction {
  readonly kind: "mkfile";
  readonly path: string;
  readonly mode: number;
  readonly data: Uint8Array;
  readonly owner?: ChownOpt;
  readonly timestamp: Timestamp;
}

/** Makes a directory. `mode` is permission bits. */
export interface MkdirAction {
  readonly kind: "mkdir";
  readonly path: string;
  readonly mode: number;
  readonly makeParents: boolean;
  readonly owner?: ChownOpt;
  readonly timestamp: Timestamp;
}

/** Removes a file or a tree. */
export interface RmAction {
  readonly kind: "rm";
  readonly path: string;
  readonly allowNotFound: boolean;
  readonly allowWildcard: boolean;
}

/** Makes a symbolic link. */
export interface SymlinkAction {
  readonly kind: "symlink";
  /** What the link points to. */
  readonly oldpath: string;
  /** Where the link is. */
  readonly newpath: string;
  readonly owner?: ChownOpt;
  readonly timestamp: Timestamp;
}

/** The owner of what an action makes; what is left out is root. */
export interface ChownOpt {
  readonly user?: UserOpt;
  readonly group?: UserOpt;
}

/** A name is looked up in passwd/group of input `input` (`emptyInput`: nowhere). */
export type UserOpt =
  | { readonly kind: "name"; readonly name: string; readonly input: number }
  | { readonly kind: "id"; readonly id: number };

/** Stacks the inputs, later ones on top. */
export interface MergeOp {
  readonly kind: "merge";
  /** Indexes into the op's inputs. */
  readonly inputs: readonly number[];
}

/** What `upper` has and `lower` lacks; an absent side is an empty filesystem. */
export interface DiffOp {
  readonly kind: "diff";
  readonly lower?: number;
  readonly upper?: number;
}

/** A nested build by another frontend. */
export interface BuildOp {
  readonly kind: "build";
  readonly builder: number;
  readonly inputs: Readonly<Record<string, number>>;
  /** A marshalled `Definition`. */
  readonly definition?: Uint8Array;
  readonly attrs: Readonly<Record<string, string>>;
}
