import { closeSync, openSync, rmSync } from "node:fs";
import { BuildError, type BytePath, fsPath, joinPath } from "../core/index.ts";
import type { PackedLayer } from "../layer/index.ts";
import type { CopyAction, FileAction, FileActionBody, RmAction } from "../llb/index.ts";
import { mkdir, mkfile, rm, symlink } from "./file-actions.ts";
import { type Archive, openArchive, type Temporary } from "./file-archive.ts";
import { copy, sourcesOf } from "./file-copy.ts";
import { type FileInput, openInput } from "./file-inputs.ts";
import { withExplanation } from "./file-missing.ts";
import { namedInputs, type Owner, resolveOwner } from "./file-owner.ts";
import { type DigestLog, digestLog, packStaging, type ReadFiles } from "./file-pack.ts";
import { type AheadFiles, openReadAhead, type ReadAhead } from "./file-read-ahead.ts";
import { type Staging, stageOver } from "./file-staging.ts";
import { emptyTree, resolvePath, type Tree } from "./file-tree.ts";
import { unpackTar } from "./file-unpack.ts";

/** A file op to carry out; plain data, for a worker. */
export interface FileRun {
  readonly actions: readonly FileAction[];
  readonly inputs: readonly FileInput[];
  /** Fresh path in the store for the layer of each output; temporary files are put beside it. */
  readonly files: readonly string[];
  /** Files of the only local input that another thread reads meanwhile. */
  readonly ahead?: ReadAhead;
}

export interface FileRunOutput {
  readonly packed: PackedLayer;
  /** Input whose layers the new one stands on, or -1. */
  readonly base: number;
  /** Answers of the base that the layer depends on; `undefined` when it depends on more than them. */
  readonly visits: readonly (readonly [BytePath, string])[] | undefined;
}

export interface FileRunResult {
  readonly outputs: readonly FileRunOutput[];
  readonly warnings: readonly string[];
  /** Files of the host whose digest was not known before. */
  readonly read: ReadFiles;
}

/**
 * Carries out the actions over indexes and writes one layer for each output. Nothing is left of it when it throws but
 * whole temporary files of outputs that came before.
 */
export async function runFileOp(run: FileRun): Promise<FileRunResult> {
  const temporaries: string[] = [];
  const temporary: Temporary = {
    path() {
      temporaries.push(`${run.files[0]}.${temporaries.length}`);
      return temporaries.at(-1)!;
    },
  };
  const session = openSession(run, temporary);
  try {
    const outputs: FileRunOutput[] = [];
    for (const [output, file] of run.files.entries()) outputs.push(await packOutput(session, output, file));
    return { outputs, warnings: [...session.warnings], read: session.read.take() };
  } finally {
    session.ahead?.close();
    for (const file of temporaries) rmSync(file, { force: true });
  }
}

interface Session {
  readonly run: FileRun;
  readonly temporary: Temporary;
  readonly trees: (Tree | undefined)[];
  /** Results of actions. */
  readonly results: (Staging | undefined)[];
  readonly warnings: Set<string>;
  readonly read: DigestLog;
  readonly ahead: AheadFiles | undefined;
}

function openSession(run: FileRun, temporary: Temporary): Session {
  const ahead = run.ahead && openReadAhead(run.ahead);
  return { run, temporary, trees: [], results: [], warnings: new Set(), read: digestLog(), ahead };
}

async function packOutput(session: Session, output: number, file: string): Promise<FileRunOutput> {
  const index = session.run.actions.findIndex((action) => action.output === output);
  const staging = await resultOf(session, index, []);
  const packed = packStaging(staging, file, session.read, session.ahead);
  const visits = staging.pinned ? undefined : [...staging.visits];
  return { packed, base: baseOf(session.run, index), visits };
}

/** Input that an action's result stands on, or -1 for nothing and for a local directory. */
function baseOf({ actions, inputs }: FileRun, index: number): number {
  const { input } = actions[index]!;
  if (input >= inputs.length) return baseOf({ actions, inputs, files: [] }, input - inputs.length);
  return inputs[input]?.kind === "layers" ? input : -1;
}

/** Tree of an input or of an action's result, as `FileAction.input` counts them. */
async function treeAt(session: Session, index: number, above: readonly number[]): Promise<Tree> {
  const { inputs } = session.run;
  if (index < 0) return emptyTree;
  if (index >= inputs.length) return resultOf(session, index - inputs.length, above);
  session.trees[index] ??= openInput(inputs[index]!);
  return session.trees[index];
}

async function resultOf(session: Session, index: number, above: readonly number[]): Promise<Staging> {
  const done = session.results[index];
  if (done) return done;
  const action = session.run.actions[index];
  if (action === undefined || above.includes(index))
    throw new BuildError("invalid-argument", `file op: action ${index} does not exist or needs itself`);
  const staging = await startOf(session, action, [...above, index]);
  session.results[index] = staging;
  await perform(session, staging, action, [...above, index]);
  return staging;
}

/** What an action changes: a copy of an earlier result, or changes over an input. */
async function startOf(session: Session, action: FileAction, above: readonly number[]): Promise<Staging> {
  const { inputs } = session.run;
  if (action.input >= inputs.length) {
    const result = await resultOf(session, action.input - inputs.length, above);
    return isShared(session.run, action.input) ? result.fork() : result;
  }
  const lower = await treeAt(session, action.input, above);
  if (inputs[action.input]?.kind !== "local") return stageOver(lower);
  const staging = stageOver(emptyTree);
  putTree(staging, lower, "");
  return staging;
}

/** Whether a result is needed again, so that the action that changes it must leave it alone. */
function isShared({ actions, inputs }: FileRun, index: number): boolean {
  const uses = actions.flatMap(({ input, secondaryInput, action }) => [
    input,
    secondaryInput,
    ...namedInputs(action),
  ]);
  const isOutput = actions[index - inputs.length]!.output >= 0;
  return isOutput || uses.filter((use) => use === index).length > 1;
}

function putTree(staging: Staging, from: Tree, path: BytePath): void {
  for (const { name, node } of from.list(path)) {
    staging.put(joinPath(path, name), node);
    if (node.type === "directory") putTree(staging, from, joinPath(path, name));
  }
}

async function perform(
  session: Session,
  staging: Staging,
  { action, secondaryInput }: FileAction,
  above: readonly number[],
): Promise<void> {
  if (action.kind === "rm") return rm(staging, action);
  const owner = await ownerOf(session, action, above);
  if (action.kind === "mkdir") return mkdir(staging, action, owner);
  if (action.kind === "mkfile") return mkfile(staging, action, owner);
  if (action.kind === "symlink") return symlink(staging, action, owner);
  const from = await treeAt(session, secondaryInput, above);
  // What comes from the result of another action may come from the layers below it.
  if (secondaryInput >= session.run.inputs.length) staging.pin();
  try {
    await performCopy(session, staging, from, action, owner);
  } catch (error) {
    throw withExplanation(error, action, session.run.inputs[secondaryInput], from);
  }
}

async function ownerOf(
  session: Session,
  action: Exclude<FileActionBody, RmAction>,
  above: readonly number[],
): Promise<Owner | undefined> {
  const trees = new Map<number, Tree>();
  for (const input of namedInputs(action)) trees.set(input, await treeAt(session, input, above));
  return resolveOwner(
    action.owner,
    (input) => trees.get(input)!,
    (name, file) => {
      session.warnings.add(`${name} is not in ${file} of the image: the files are owned by root`);
    },
  );
}

async function performCopy(
  session: Session,
  staging: Staging,
  from: Tree,
  action: CopyAction,
  owner: Owner | undefined,
): Promise<void> {
  const archives = new Map<BytePath, Archive>();
  if (action.attemptUnpack)
    for (const source of sourcesOf(from, action)) {
      const path = resolvePath(from, source, { last: "follow" });
      const node = from.lookup(path);
      const archive = node && (await openArchive(node, `/${path}`, session.temporary));
      if (archive) archives.set(path, archive);
    }
  copy(staging, from, action, owner, (_node, path, fs, into) => {
    const archive = archives.get(path);
    if (archive === undefined) return false;
    const fd = openSync(fsPath(archive.file), "r");
    try {
      unpackTar(fs, into(), { ...archive, fd }, owner);
    } finally {
      closeSync(fd);
    }
    return true;
  });
}
