import { readFileSync } from "node:fs";
import { userInfo } from "node:os";

/** A run of ids: `inside` a namespace and `outside` of it, each `count` long. */
export interface IdRange {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

/**
 * Which ids a user namespace of ours has.
 *
 * - `subordinate`: the user's own as 0, and what /etc/subuid and /etc/subgid lend him; set up by newuidmap.
 * - `single`: the user's own as 0, and no other.
 * - `identity`: all ids of this process's own namespace, unchanged: for root without the right to mount.
 */
export interface IdMap {
  readonly kind: "subordinate" | "single" | "identity";
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
  /** Why the user has not got the larger map that is meant for him. */
  readonly instead?: string;
}

export interface IdFacts {
  readonly uid: number;
  readonly gid: number;
  /** Undefined where the user database does not know the user. */
  readonly name: string | undefined;
  /** Whether this process may map any id (CAP_SETUID and CAP_SETGID). */
  readonly mayMapAll: boolean;
  /** Whether newuidmap and newgidmap are there. */
  readonly helpers: boolean;
  readonly subuid: string;
  readonly subgid: string;
  /** /proc/self/uid_map and gid_map. */
  readonly ownUids: string;
  readonly ownGids: string;
}

/** Chooses the map for a user, as large as this user may have. */
export function chooseIdMap(facts: IdFacts): IdMap {
  if (facts.mayMapAll)
    return { kind: "identity", uids: identity(facts.ownUids), gids: identity(facts.ownGids) };
  const own = (id: number): IdRange => ({ inside: 0, outside: id, count: 1 });
  const uids = lent(facts.subuid, facts);
  const gids = lent(facts.subgid, facts);
  if (!facts.helpers || uids.length === 0 || gids.length === 0)
    return { kind: "single", uids: [own(facts.uid)], gids: [own(facts.gid)] };
  return {
    kind: "subordinate",
    uids: [own(facts.uid), ...stacked(uids)],
    gids: [own(facts.gid), ...stacked(gids)],
  };
}

/** Whether an id exists inside. */
export function isMapped(ranges: readonly IdRange[], id: number): boolean {
  return ranges.some(({ inside, count }) => id >= inside && id < inside + count);
}

/** Lines as newuidmap's arguments and /proc/PID/uid_map have them. */
export function mapLines(ranges: readonly IdRange[]): string[] {
  return ranges.map(({ inside, outside, count }) => `${inside} ${outside} ${count}`);
}

/** Names a map: directories made under one cannot be used under another. */
export function mapName({ uids, gids }: IdMap): string {
  return `${mapLines(uids).join(",")};${mapLines(gids).join(",")}`;
}

/** What `NAME:START:COUNT` lines (or `UID:START:COUNT`) lend a user. */
function lent(text: string, { name, uid }: IdFacts): { start: number; count: number }[] {
  return text.split("\n").flatMap((line) => {
    const [owner = "", start = "", count = ""] = line.trim().split(":");
    if (owner !== String(uid) && (name === undefined || owner !== name)) return [];
    if (!/^\d{1,10}$/.test(start) || !/^\d{1,10}$/.test(count) || Number(count) === 0) return [];
    return [{ start: Number(start), count: Number(count) }];
  });
}

/** Ranges one after the other, from id 1 on. */
function stacked(ranges: readonly { start: number; count: number }[]): IdRange[] {
  let inside = 1;
  return ranges.map(({ start, count }) => {
    const range = { inside, outside: start, count };
    inside += count;
    return range;
  });
}

function identity(ownMap: string): IdRange[] {
  return ownMap
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter((fields) => fields.length === 3)
    .map(([inside = 0, , count = 0]) => ({ inside, outside: inside, count }));
}

/** The facts of this process. */
export function ownFacts(mayMapAll: boolean, helpers: boolean): IdFacts {
  const text = (path: string): string => {
    try {
      return readFileSync(path, "utf8");
    } catch {
      return "";
    }
  };
  return {
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    name: ownName(),
    mayMapAll,
    helpers,
    subuid: text("/etc/subuid"),
    subgid: text("/etc/subgid"),
    ownUids: text("/proc/self/uid_map"),
    ownGids: text("/proc/self/gid_map"),
  };
}

function ownName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined; // an id without an entry
  }
}
