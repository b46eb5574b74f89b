import type { Readable, Writable } from "node:stream";
import type { EventSink, Platform } from "../core/index.ts";
import type { Annotation, Output } from "../exporter/index.ts";
import type { SecretSource, SshSource } from "../session/index.ts";

/** A build, as `stagewright build` has it. Paths are relative to `cwd`. */
export interface BuildOptions {
  /**
   * Where the files come from: a directory, a git repository (`URL.git#REF:DIRECTORY`), the URL of a tar or a Dockerfile, or
   * `-` for one of these two on `stdin`.
   */
  readonly context: string;
  /** Dockerfile: a path, a URL, or `-` for `stdin`; `Dockerfile` in the context when it is left out. */
  readonly file?: string;
  /** What `-` stands for. */
  readonly stdin?: Readable;
  /** The process's own when it is left out. */
  readonly cwd?: string;
  /** Names for the image. */
  readonly tags?: readonly string[];
  /** Stage to stop at, by name or number. */
  readonly target?: string;
  /**
   * `legacy` is the classic builder's: every stage up to the target, one instruction after the other, each leaving an
   * image in the store. Otherwise only what the target needs is built, as much as possible at once.
   */
  readonly schedule?: "parallel" | "legacy";
  /** Values for `ARG`, by name. */
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** Labels for the image, beside those of the Dockerfile. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Files or images by the name that `FROM` and `--from` use: everything that `context` may be but `-`, and images. */
  readonly buildContexts?: Readonly<Record<string, string>>;
  /** Every step, or those of the named stages, run whatever the cache has. */
  readonly noCache?: boolean | readonly string[];
  /** Ask the registry for newer base images. */
  readonly pull?: boolean;
  /** Platforms of the image; this machine's when left out. Several make an index. */
  readonly platforms?: readonly Platform[];
  /** Network of the steps that ask for none of their own. */
  readonly network?: "default" | "none" | "host";
  /** Lines for the steps' /etc/hosts; `host-gateway` as address is the machine that builds. */
  readonly extraHosts?: readonly { readonly host: string; readonly ip: string }[];
  /** Secrets for `RUN --mount=type=secret`, by id. */
  readonly secrets?: Readonly<Record<string, SecretSource>>;
  /** SSH agents for `RUN --mount=type=ssh`, by id; `default` is the one of mounts that name none. */
  readonly ssh?: Readonly<Record<string, SshSource>>;
  /** What steps may ask for beyond the usual: `network.host`, `security.insecure`. */
  readonly allow?: readonly string[];
  /** Size of the steps' /dev/shm in bytes. */
  readonly shmSize?: number;
  /** Resource limits of the steps; -1 is no limit. */
  readonly ulimits?: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  /** Control group that the steps' own are made in. */
  readonly cgroupParent?: string;
  /** Where the result goes; the local store when left out. */
  readonly outputs?: readonly Output[];
  /** Beside those of the outputs. */
  readonly annotations?: readonly Annotation[];
  /** Whether each `type=image` is pushed under its names once it is in the local store, whatever it says itself. */
  readonly push?: boolean;
  /** Whether each `type=image` is brought to Docker or containerd too, where there is one. */
  readonly load?: boolean;
  /** Where a `dest` of `-` goes. */
  readonly stdout?: Writable;
  /** Root of the store. */
  readonly root?: string;
  /** Seconds since the epoch; times in the image are no later. */
  readonly sourceDateEpoch?: number;
  /** How many steps run at once. */
  readonly parallelism?: number;
  /** An abort stops the running steps: TERM, 10 seconds later KILL. */
  readonly signal?: AbortSignal;
  /** An abort kills what still runs, without grace. */
  readonly killSignal?: AbortSignal;
  /** Called with everything that the build tells of itself, in order. It must not throw. */
  readonly onEvent?: EventSink;
}
