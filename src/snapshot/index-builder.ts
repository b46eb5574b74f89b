import { BuildError, type BytePath, parentOf, textOf } from "../core/index.ts";
import {
  type BuiltIndex,
  type Draft,
  digestPool,
  encodeIndex,
  type IndexedEntry,
  type Record,
  tooLarge,
} from "./index-encoder.ts";

/**
 * Collects the members of a layer, in the order in which an archive has them, into a consistent tree:
 *
 * - Of entries with the same path the last wins; a directory keeps its children only when a directory replaces it.
 * - Every parent is a directory of this layer. An entry below anything else is refused: nothing that is made from the
 *   index can be led elsewhere by a symlink.
 * - A hardlink is bound to the file that has the name at that moment.
 * - A whiteout and a directory of the same name, in either order, are an opaque directory; anything else beside a
 *   whiteout replaces it.
 */
export interface IndexBuilder {
  /** `digest` is the sha256 of a file's content, where it is known; it is copied. */
  add(entry: IndexedEntry, digest?: Uint8Array): void;
  whiteout(path: BytePath): void;
  opaque(path: BytePath): void;
  finish(): BuiltIndex;
}

/** Bytes of the paths of implied directories: an archive of deep, sparse paths would imply far more than it holds. */
const impliedLimit = 64 << 20;

const impliedDirectory = { type: "directory", mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0 } as const;

/** Starts an empty index. */
export function createIndexBuilder(): IndexBuilder {
  const drafts = new Map<BytePath, Draft>();
  const digests = digestPool();
  /** With the moment at which each came. */
  const whiteouts = new Map<BytePath, number>();
  const opaques = new Map<BytePath, number>();
  let order = 0;
  /** Whether paths came in byte order: then parents came first, and nothing was replaced. */
  let ascending = true;
  let highest: BytePath | undefined;
  let linked = false;
  let unbound = false;
  let checkedParent: BytePath | undefined;

  /** Throws when something that is no directory stands above `path`. */
  function checkParents(path: BytePath, what: string): void {
    const parent = parentOf(path);
    if (parent === checkedParent) return;
    for (let above = parent; above !== ""; above = parentOf(above)) {
      const draft = drafts.get(above);
      if (draft !== undefined && draft.entry.type !== "directory")
        throw new BuildError(
          "invalid-argument",
          `${what} ${textOf(path)}: its parent ${textOf(above)} is a ${draft.entry.type} in the same layer`,
        );
    }
    checkedParent = parent;
  }

  function noteOrder(path: BytePath): void {
    if (highest !== undefined && path <= highest) ascending = false;
    highest = path;
  }

  function add(entry: IndexedEntry, digest?: Uint8Array): void {
    checkParents(entry.path, "entry");
    noteOrder(entry.path);
    order++;
    const previous = drafts.get(entry.path);
    const clears = entry.type !== "directory";
    if (entry.path === "" && entry.type !== "directory")
      throw new BuildError("invalid-argument", `the root of a layer cannot be a ${entry.type}`);
    const target = entry.type === "hardlink" ? linkTarget(entry) : undefined;
    if (target !== undefined) linked = true;
    else if (entry.type === "hardlink") unbound = true;
    if (entry.type === "hardlink" && (target?.entry.path ?? entry.linkname) === entry.path) return; // changes nothing
    drafts.set(entry.path, {
      entry,
      order,
      clearedAt: clears ? order : (previous?.clearedAt ?? 0),
      digest: digest === undefined ? -1 : digests.keep(digest),
      implied: false,
      ...(target === undefined ? {} : { target }),
    });
    if (clears && checkedParent !== undefined && `${checkedParent}/`.startsWith(`${entry.path}/`))
      checkedParent = undefined;
  }

  function linkTarget(entry: IndexedEntry): Draft | undefined {
    const path = entry.linkname ?? "";
    const found = drafts.get(path);
    if (found?.entry.type === "directory" || path === "")
      throw new BuildError("invalid-argument", `entry ${textOf(entry.path)}: hardlink to a directory`);
    if (found === undefined) checkParents(path, `hardlink ${textOf(entry.path)} to`);
    return found?.target ?? found;
  }

  function addImplied(): void {
    let last: BytePath | undefined;
    let impliedBytes = 0;
    const imply = (path: BytePath): void => {
      for (let above = path; above !== last && !drafts.has(above); above = parentOf(above)) {
        impliedBytes += above.length;
        if (impliedBytes > impliedLimit) throw tooLarge();
        drafts.set(above, {
          entry: { path: above, ...impliedDirectory },
          order: 0,
          clearedAt: 0,
          digest: -1,
          implied: true,
        });
        if (above === "") break;
      }
      last = path;
    };
    imply("");
    for (const path of [...drafts.keys()]) if (path !== "") imply(parentOf(path));
    for (const path of whiteouts.keys()) imply(parentOf(path));
    for (const path of opaques.keys()) imply(path);
  }

  /** Removes what was below a path when something else took its place. */
  function dropCleared(): void {
    const known = new Map<BytePath, number>();
    const clearedAbove = (directory: BytePath): number => {
      let moment = known.get(directory);
      if (moment === undefined) {
        const above = directory === "" ? 0 : clearedAbove(parentOf(directory));
        moment = Math.max(above, drafts.get(directory)?.clearedAt ?? 0);
        known.set(directory, moment);
      }
      return moment;
    };
    for (const [path, draft] of drafts)
      if (path !== "" && draft.order < clearedAbove(parentOf(path))) drafts.delete(path);
    for (const hidden of [whiteouts, opaques])
      for (const [path, moment] of hidden)
        if (path !== "" && moment < clearedAbove(parentOf(path))) hidden.delete(path);
  }

  /** Hardlinks whose file was replaced later in the archive share the old file among themselves. */
  function rebindLinks(paths: readonly BytePath[]): void {
    const promoted = new Map<Draft, BytePath>();
    for (const path of paths) {
      const draft = drafts.get(path);
      if (draft?.target === undefined) continue;
      const original = draft.target;
      const name =
        drafts.get(original.entry.path) === original ? original.entry.path : promoted.get(original);
      if (name === undefined) {
        promoted.set(original, path);
        draft.entry = { ...original.entry, path };
        draft.digest = original.digest;
      } else {
        const { mode, uid, gid, mtime } = original.entry;
        draft.entry = { path, type: "hardlink", linkname: name, mode, uid, gid, mtime, size: 0 };
        draft.digest = -1;
      }
    }
  }

  /** Links that came before what they name lead to layers below, but not when that is a link back. */
  function refuseCircles(paths: readonly BytePath[]): void {
    const settled = new Set<BytePath>();
    for (const path of paths) {
      const chain = new Set<BytePath>();
      for (let at = path; drafts.get(at)?.entry.type === "hardlink" && !settled.has(at); ) {
        if (chain.has(at))
          throw new BuildError(
            "invalid-argument",
            `entry ${textOf(path)}: a hardlink that leads back to itself`,
          );
        chain.add(at);
        at = drafts.get(at)!.entry.linkname ?? "";
      }
      for (const link of chain) settled.add(link);
    }
  }

  /** Whiteouts beside an entry of the same path either make it opaque or are void. */
  function settleWhiteouts(): void {
    for (const [path, moment] of whiteouts) {
      const draft = drafts.get(path);
      if (draft === undefined) continue;
      whiteouts.delete(path);
      if (draft.entry.type !== "directory") continue;
      opaques.set(path, moment);
      draft.implied = false; // what was below is gone, its metadata too
    }
    for (const path of opaques.keys()) if (drafts.get(path)?.entry.type !== "directory") opaques.delete(path);
  }

  function finish(): BuiltIndex {
    if (!ascending) dropCleared();
    addImplied();
    settleWhiteouts();
    const paths = sorted([...drafts.keys()]);
    if (linked) rebindLinks(paths);
    if (unbound) refuseCircles(paths);
    const all = whiteouts.size === 0 ? paths : sorted([...paths, ...whiteouts.keys()]);
    const records = all.map((path): Record => {
      const draft = drafts.get(path);
      return draft === undefined ? { path, type: "whiteout" } : { path, type: draft.entry.type, draft };
    });
    return encodeIndex(records, opaques, digests);
  }

  return {
    add,
    whiteout(path) {
      checkParents(path, "whiteout of");
      noteOrder(path);
      whiteouts.set(path, ++order);
    },
    opaque(path) {
      checkParents(`${path}/`, "opaque directory");
      if (path !== highest) noteOrder(path);
      opaques.set(path, ++order);
    },
    finish,
  };
}

function sorted(paths: BytePath[]): BytePath[] {
  for (let i = 1; i < paths.length; i++) if (paths[i - 1]! > paths[i]!) return paths.sort();
  return paths;
}
