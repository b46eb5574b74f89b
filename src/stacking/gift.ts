import { chmodSync, lchownSync } from "node:fs";
import { type BytePath, fsPath } from "../core/index.ts";
import { setXattr } from "../sys/index.ts";
import { type IdMap, isMapped } from "./id-map.ts";

/** A file of this process, and whose it is to be, by the ids that steps see. */
export interface Gift {
  readonly path: BytePath;
  readonly uid: number;
  readonly gid: number;
  /** Permission bits, which a change of owner reduces; undefined for a symlink. */
  readonly mode: number | undefined;
  /** What else a change of owner takes away. */
  readonly xattrs?: ReadonlyMap<string, Uint8Array> | undefined;
}

/** Changes owners, here: with `ids`, those that the namespace knows. */
export function give(gifts: readonly Gift[], ids?: IdMap): void {
  for (const { path, uid, gid, mode, xattrs } of gifts) {
    const host = fsPath(path);
    const known = ids === undefined || (isMapped(ids.uids, uid) && isMapped(ids.gids, gid));
    if (known) lchownSync(host, uid, gid);
    if (mode !== undefined) chmodSync(host, mode);
    for (const [name, value] of xattrs ?? []) setXattr(host, name, value);
  }
}
