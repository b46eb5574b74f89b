import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { type BaseImage, withBases } from "./base.ts";
import { type TarInput, writeTar } from "./tar.ts";

/**
 * A case is a folder: its files are the build context, `Dockerfile` among them (`@base@`, `@tools@` and `@onbuild@`
 * stand for the images of base.ts), and `case.json` says how to call the build and what git cannot keep.
 */
export interface Case {
  readonly title: string;
  readonly target?: string;
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly steps?: StepFlags;
  readonly setup?: readonly SetupStep[];
  /** It fetches from the server of remote.ts. */
  readonly remote?: true;
}

/** What flags of the command line say about RUN steps. */
export interface StepFlags {
  /** Contents by id. */
  readonly secrets?: Readonly<Record<string, string>>;
  readonly network?: "default" | "none" | "host";
  readonly allow?: readonly string[];
  /** Addresses by name. */
  readonly addHosts?: Readonly<Record<string, string>>;
  /** Soft and hard limits by name. */
  readonly ulimits?: Readonly<Record<string, readonly [number, number]>>;
  /** Bytes. */
  readonly shmSize?: number;
}

/** Something to make in the context, after the folder's own files are there. Modes are octal strings. */
export type SetupStep =
  | { readonly make: "file"; readonly path: string; readonly content?: string; readonly mode?: string }
  | { readonly make: "directory"; readonly path: string; readonly mode?: string }
  | { readonly make: "symlink"; readonly path: string; readonly target: string }
  | { readonly make: "hardlink"; readonly path: string; readonly target: string }
  /** `count` files `path`/0000, 0001, … */
  | { readonly make: "files"; readonly path: string; readonly count: number }
  | {
      readonly make: "tar";
      readonly path: string;
      readonly gzip?: boolean;
      readonly entries: readonly TarStep[];
    };

export interface TarStep extends Pick<TarInput, "path" | "type" | "uid" | "gid" | "mtime" | "linkname"> {
  readonly mode?: string;
  readonly content?: string;
  /** Values in hex. */
  readonly xattrs?: Readonly<Record<string, string>>;
}

/** The flags of `steps`; `secretFile` says where the content of a secret is. */
export function stepArguments(steps: StepFlags = {}, secretFile: (id: string) => string): string[] {
  const { secrets = {}, network, allow = [], addHosts = {}, ulimits = {}, shmSize } = steps;
  return [
    ...Object.keys(secrets).map((id) => `--secret=id=${id},src=${secretFile(id)}`),
    ...(network === undefined ? [] : [`--network=${network}`]),
    ...allow.map((name) => `--allow=${name}`),
    ...Object.entries(addHosts).map(([host, ip]) => `--add-host=${host}:${ip}`),
    ...Object.entries(ulimits).map(([name, [soft, hard]]) => `--ulimit=${name}=${soft}:${hard}`),
    ...(shmSize === undefined ? [] : [`--shm-size=${shmSize}`]),
  ];
}

/** Writes the secrets of a case to `work`/secrets. */
export function makeSecrets({ steps }: Pick<Case, "steps">, work: string): void {
  const directory = join(work, "secrets");
  mkdirSync(directory, { recursive: true });
  for (const [id, content] of Object.entries(steps?.secrets ?? {}))
    writeFileSync(join(directory, id), content);
}

/** Time of everything in a context: 2024-02-03 04:05:06 UTC. */
export const contextTime = 1_706_933_106;

export const casesDirectory = join(import.meta.dirname, "cases");

/** Names of all cases, sorted; without those that need the server of remote.ts, unless they are asked for. */
export function caseNames(options: { readonly remote?: boolean } = {}): string[] {
  const names = readdirSync(casesDirectory).sort();
  return names.filter((name) => options.remote || readCase(name).remote !== true);
}

export function readCase(name: string): Case {
  const file = join(casesDirectory, name, "case.json");
  if (!existsSync(file)) throw new Error(`there is no case ${name}: ${file} is missing`);
  return JSON.parse(readFileSync(file, "utf8")) as Case;
}

/** Makes the case's context in the empty directory `into`: modes, times and owners are fixed. */
export function makeContext(
  name: string,
  into: string,
  bases: readonly Pick<BaseImage, "name" | "reference">[],
): void {
  copyTree(join(casesDirectory, name), into);
  const dockerfile = join(into, "Dockerfile");
  writeFileSync(dockerfile, withBases(readFileSync(dockerfile, "utf8"), bases));
  for (const step of readCase(name).setup ?? []) makeStep(into, step);
  fixTimes(into);
}

function copyTree(from: string, into: string): void {
  mkdirSync(into, { recursive: true, mode: 0o755 });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.name === "case.json") continue;
    const [source, target] = [join(from, entry.name), join(into, entry.name)];
    if (entry.isDirectory()) copyTree(source, target);
    else {
      copyFileSync(source, target);
      chmodSync(target, 0o644);
    }
  }
}

function makeStep(context: string, step: SetupStep): void {
  const path = join(context, step.path);
  mkdirSync(dirname(path), { recursive: true });
  switch (step.make) {
    case "file":
      writeFileSync(path, step.content ?? "");
      chmodSync(path, Number.parseInt(step.mode ?? "644", 8));
      break;
    case "directory":
      mkdirSync(path, { recursive: true });
      chmodSync(path, Number.parseInt(step.mode ?? "755", 8));
      break;
    case "symlink":
      symlinkSync(step.target, path);
      break;
    case "hardlink":
      linkSync(join(context, step.target), path);
      break;
    case "files":
      mkdirSync(path);
      for (let i = 0; i < step.count; i++) writeFileSync(join(path, String(i).padStart(4, "0")), `${i}\n`);
      break;
    case "tar": {
      const archive = writeTar(step.entries.map(tarInput));
      writeFileSync(path, step.gzip ? gzipSync(archive) : archive);
    }
  }
}

function tarInput({ mode, content, xattrs, ...rest }: TarStep): TarInput {
  return {
    mtime: contextTime,
    ...rest,
    path: Buffer.from(rest.path).toString("latin1"),
    ...(mode !== undefined && { mode: Number.parseInt(mode, 8) }),
    ...(content !== undefined && { data: Buffer.from(content) }),
    ...(xattrs !== undefined && {
      xattrs: Object.fromEntries(Object.entries(xattrs).map(([key, hex]) => [key, Buffer.from(hex, "hex")])),
    }),
  };
}

function fixTimes(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true, encoding: "buffer" })) {
    const path = Buffer.concat([Buffer.from(`${directory}/`), entry.name]);
    if (entry.isDirectory()) fixTimes(path.toString());
    else lutimesSync(path, contextTime, contextTime);
  }
  lutimesSync(directory, contextTime, contextTime);
}
