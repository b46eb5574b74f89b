import { readFileSync } from "node:fs";
import { BuildError, fsPath } from "../core/index.ts";
import type { ChownOpt, FileActionBody, UserOpt } from "../llb/index.ts";
import { type Node, resolvePath, shown, type Tree } from "./file-tree.ts";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Inputs, as `FileAction.input` counts them, in which an action looks up the names of owners. */
export function namedInputs(action: FileActionBody): number[] {
  if (action.kind === "rm") return [];
  const { user, group } = action.owner ?? {};
  return [user, group].flatMap((option) => (option?.kind === "name" ? [option.input] : []));
}

const maxUserFile = 10 << 20;

/**
 * Ids for an `owner`, looked up in /etc/passwd and /etc/group of the tree that each name refers to. As BuildKit does:
 * a user without a group takes the primary group of its passwd line; an id without a group is its own group;
 * a name that is not found is root (BuildKit says nothing; `onUnknown` is told).
 */
export function resolveOwner(
  owner: ChownOpt | undefined,
  treeOf: (input: number) => Tree,
  onUnknown: (name: string, file: string) => void,
): Owner | undefined {
  if (owner === undefined) return undefined;
  const find = (option: UserOpt & { kind: "name" }, file: string) => {
    if (option.input < 0)
      throw new BuildError(
        "invalid-argument",
        `invalid user index: -1: there is no ${file} for ${option.name}`,
        {
          hint: "an empty stage (FROM scratch) knows no names: use numeric ids",
        },
      );
    const line = findLine(treeOf(option.input), file, option.name);
    if (line === undefined) onUnknown(option.name, `/${file}`);
    return line;
  };
  const user = owner.user && userIds(owner.user, find);
  const group = owner.group && groupId(owner.group, find);
  return { uid: user?.uid ?? 0, gid: group ?? user?.gid ?? 0 };
}

type Find = (option: UserOpt & { kind: "name" }, file: string) => string[] | undefined;

function userIds(user: UserOpt, find: Find): Owner {
  if (user.kind === "id") return { uid: user.id, gid: user.id };
  const line = find(user, "etc/passwd");
  return line ? { uid: numberOf(line[2]), gid: numberOf(line[3]) } : { uid: 0, gid: 0 };
}

function groupId(group: UserOpt, find: Find): number {
  if (group.kind === "id") return group.id;
  const line = find(group, "etc/group");
  return line ? numberOf(line[2]) : 0;
}

function numberOf(field: string | undefined): number {
  return /^[+-]?\d+$/.test(field ?? "") ? Number(field) : 0;
}

/** Fields of the line for `name`; `undefined` when there is none. */
function findLine(tree: Tree, file: string, name: string): string[] | undefined {
  const path = resolvePath(tree, file, { last: "follow" });
  const node = tree.lookup(path);
  if (node === undefined) return undefined;
  if (node.type !== "file")
    throw new BuildError("failed-precondition", `${shown(path)} is not a regular file`);
  if (node.size > maxUserFile)
    throw new BuildError("failed-precondition", `${shown(path)} exceeds ${maxUserFile} bytes`);
  for (const line of Buffer.from(contentOf(node)).toString("utf8").split("\n")) {
    const fields = line.trim().split(":");
    if (fields[0] === name) return fields;
  }
  return undefined;
}

function contentOf({ content }: Node): Uint8Array {
  if (content?.kind === "layer") return content.view.read(content.path);
  if (content?.kind === "host") return readFileSync(fsPath(content.path));
  return content?.kind === "bytes" ? content.bytes : new Uint8Array(0);
}
