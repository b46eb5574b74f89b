import type { SourceRange } from "../../core/index.ts";
import type { InstructionNode } from "../parser/ast.ts";

interface Common {
  /** What it was read from: exact ranges of words, flags and here-documents. */
  readonly node: InstructionNode;
  /** The instruction's name as written. */
  readonly name: string;
  /** The instruction on one line as written, trimmed, without here-documents. */
  readonly code: string;
  readonly range: SourceRange;
}

/** One `key=value` of ENV or LABEL. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
  /** Written in the old form, `ENV key value`. */
  readonly legacy: boolean;
  readonly range: SourceRange;
}

/** One name that ARG declares. */
export interface ArgDeclaration {
  readonly key: string;
  /** Default value; absent for a lone name. */
  readonly value?: string;
  /** Description from a comment `# key …` above. */
  readonly doc?: string;
  readonly range: SourceRange;
}

/** A command as RUN, CMD, ENTRYPOINT take it. */
export interface CommandLine {
  /** Exec form: the arguments. Shell form: one string, or none when nothing was written. */
  readonly args: readonly string[];
  /** Shell form: the stage's shell goes before. */
  readonly shell: boolean;
}

/** A here-document of RUN. */
export interface ShellFile {
  readonly name: string;
  /** As written: leading tabs are still there when `chomp` is set. */
  readonly data: string;
  readonly chomp: boolean;
  /** Whether the delimiter was unquoted. The shell expands; the builder does not. */
  readonly expand: boolean;
}

/** A here-document that COPY or ADD writes to a file. */
export interface SourceContent {
  /** File name: the delimiter. */
  readonly path: string;
  /** Leading tabs already removed for `<<-`. */
  readonly data: string;
  readonly expand: boolean;
}

/** What COPY and ADD share. */
export interface CopySpec {
  /** Paths, patterns, and for ADD also URLs. */
  readonly sources: readonly string[];
  readonly contents: readonly SourceContent[];
  readonly destination: string;
  /** Empty when not given, as are `chmod` and ADD's `checksum`. */
  readonly chown: string;
  readonly chmod: string;
  readonly link: boolean;
  readonly exclude: readonly string[];
}

/** `--mount` as written; fields other than `from` may hold variables: see `resolveMount`. */
export interface MountFlag {
  readonly text: string;
  /** Stage or image named by `from=`, which takes no variables. */
  readonly from: string | undefined;
  readonly range: SourceRange;
}

/** `type=` of `RUN --mount`. */
export type MountType = "bind" | "cache" | "tmpfs" | "secret" | "ssh";

/** `sharing=` of a cache mount. */
export type MountSharing = "shared" | "private" | "locked";

/** A `--mount` with variables expanded and checked. */
export interface Mount {
  readonly type: MountType;
  /** Empty: the build context (bind) or an empty directory (cache). */
  readonly from: string;
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  /** Bytes, for tmpfs; 0 when not given. */
  readonly size: number;
  readonly id: string;
  readonly sharing?: MountSharing;
  readonly required: boolean;
  /** Environment variable that receives a secret; `""` stands for the secret's own name. */
  readonly env?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** `RUN --device`: a CDI device. */
export interface Device {
  readonly name: string;
  readonly required: boolean;
}

/** `RUN --network`. */
export type NetworkMode = "default" | "none" | "host";

/** `RUN --security`. */
export type SecurityMode = "sandbox" | "insecure";

/** Health check as the image configuration has it; durations in nanoseconds, 0 for the engine's default. */
export interface Healthcheck {
  /** `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", command]`. */
  readonly test: readonly string[];
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  readonly startInterval: number;
  readonly retries: number;
}

/** `FROM base AS name`: the start of a stage. */
export interface FromInstruction extends Common {
  readonly kind: "from";
  /** Stage or image, variables not expanded. */
  readonly base: string;
  readonly baseRange: SourceRange;
  /** Lower case. */
  readonly stageName?: string;
  /** Not expanded. */
  readonly platform?: string;
  /** Description from a comment `# name …` above. */
  readonly doc?: string;
}

/** `ARG name=default …`. */
export interface ArgInstruction extends Common {
  readonly kind: "arg";
  readonly args: readonly ArgDeclaration[];
}

/** `ENV key=value …`. */
export interface EnvInstruction extends Common {
  readonly kind: "env";
  readonly pairs: readonly KeyValue[];
}

/** `LABEL key=value …`. */
export interface LabelInstruction extends Common {
  readonly kind: "label";
  readonly pairs: readonly KeyValue[];
}

/** `MAINTAINER name`, which LABEL has replaced. */
export interface MaintainerInstruction extends Common {
  readonly kind: "maintainer";
  readonly maintainer: string;
}

/** `RUN command`. */
export interface RunInstruction extends Common {
  readonly kind: "run";
  readonly command: CommandLine;
  readonly files: readonly ShellFile[];
  readonly mounts: readonly MountFlag[];
  readonly network: NetworkMode;
  readonly security: SecurityMode;
  readonly devices: readonly Device[];
}

/** `COPY source … destination`. */
export interface CopyInstruction extends Common, CopySpec {
  readonly kind: "copy";
  /** Stage number or name, image or named context. */
  readonly from?: string;
  readonly fromRange?: SourceRange;
  readonly parents: boolean;
}

/** `ADD source … destination`; `checksum` is empty when it is not given. */
export interface AddInstruction extends Common, CopySpec {
  readonly kind: "add";
  readonly checksum: string;
  readonly keepGitDir?: boolean;
  readonly unpack?: boolean;
}

/** `WORKDIR path`. */
export interface WorkdirInstruction extends Common {
  readonly kind: "workdir";
  readonly path: string;
}

/** `USER name:group`. */
export interface UserInstruction extends Common {
  readonly kind: "user";
  readonly user: string;
}

/** `EXPOSE port/protocol …`. */
export interface ExposeInstruction extends Common {
  readonly kind: "expose";
  /** Sorted, variables not expanded: each may become several words. */
  readonly ports: readonly string[];
}

/** `VOLUME path …`. */
export interface VolumeInstruction extends Common {
  readonly kind: "volume";
  readonly volumes: readonly string[];
}

/** `CMD command`. */
export interface CmdInstruction extends Common {
  readonly kind: "cmd";
  readonly command: CommandLine;
}

/** `ENTRYPOINT command`. */
export interface EntrypointInstruction extends Common {
  readonly kind: "entrypoint";
  readonly command: CommandLine;
}

/** `SHELL ["program", "argument"]`. */
export interface ShellInstruction extends Common {
  readonly kind: "shell";
  readonly shell: readonly string[];
}

/** `STOPSIGNAL signal`. */
export interface StopsignalInstruction extends Common {
  readonly kind: "stopsignal";
  readonly signal: string;
}

/** `HEALTHCHECK options CMD command`, or `HEALTHCHECK NONE`. */
export interface HealthcheckInstruction extends Common {
  readonly kind: "healthcheck";
  readonly healthcheck: Healthcheck;
}

/** `ONBUILD instruction`: a trigger for builds on the image. */
export interface OnbuildInstruction extends Common {
  readonly kind: "onbuild";
  /** What goes into the image configuration; here-documents included. It is checked by the stage that inherits it. */
  readonly expression: string;
}

/** Whatever can stand behind FROM in a stage. */
export type StageInstruction =
  | ArgInstruction
  | EnvInstruction
  | LabelInstruction
  | MaintainerInstruction
  | RunInstruction
  | CopyInstruction
  | AddInstruction
  | WorkdirInstruction
  | UserInstruction
  | ExposeInstruction
  | VolumeInstruction
  | CmdInstruction
  | EntrypointInstruction
  | ShellInstruction
  | StopsignalInstruction
  | HealthcheckInstruction
  | OnbuildInstruction;

/** Any instruction of a Dockerfile, told apart by `kind`. */
export type Instruction = FromInstruction | StageInstruction;
