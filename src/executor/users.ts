import { BuildError } from "../core/index.ts";

/** Who a process runs as. */
export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups; the primary one is the first. */
  readonly groups: readonly number[];
  readonly home: string;
}

/** Texts of the root filesystem's user databases; empty where there is none. */
export interface UserFiles {
  readonly passwd: string;
  readonly group: string;
}

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

const largestId = 2 ** 31 - 1;

/**
 * Finds out what `user[:group]` means in a root filesystem, with runc's rules: names and ids are both looked
 * up, the first matching line wins, an id needs no line, `uid:gid` has no supplementary groups, and a name
 * without a group brings the groups that list it. Throws `not-found` for a name that is not there.
 */
export function resolveUser(spec: string, files: UserFiles): ProcessUser {
  const colon = spec.indexOf(":");
  const userText = (colon < 0 ? spec : spec.slice(0, colon)) || "0";
  const groupText = colon < 0 ? "" : spec.slice(colon + 1);
  const users = parsePasswd(files.passwd);
  const groups = parseGroup(files.group);

  const entry = findUser(users, userText);
  const uid = entry?.uid ?? parseId(userText);
  if (uid === undefined) throw unknown("user", userText, spec, "/etc/passwd");
  const gid = groupText === "" ? (entry?.gid ?? 0) : findGroup(groups, groupText, spec);
  const supplementary =
    groupText === "" && entry !== undefined
      ? groups.filter((group) => group.members.includes(entry.name)).map((group) => group.gid)
      : [];
  return {
    uid,
    gid,
    groups: [...new Set([gid, ...supplementary])],
    home: users.find((user) => user.uid === uid)?.home || "/",
  };
}

/** An id that has a line of its own is that user; a name that looks like an id is found by name first. */
function findUser(users: readonly PasswdEntry[], text: string): PasswdEntry | undefined {
  const id = parseId(text);
  return users.find((user) => user.name === text) ?? users.find((user) => user.uid === id);
}

function findGroup(groups: readonly GroupEntry[], text: string, spec: string): number {
  const found = groups.find((group) => group.name === text)?.gid ?? parseId(text);
  if (found === undefined) throw unknown("group", text, spec, "/etc/group");
  return found;
}

function parseId(text: string): number | undefined {
  if (!/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= largestId ? id : undefined;
}

/** A user or group that the root filesystem does not know. */
export class UnknownUserError extends BuildError {}

function unknown(what: string, name: string, spec: string, file: string): UnknownUserError {
  const entries = `no matching entries in ${file.slice("/etc/".length)} file`;
  return new UnknownUserError("not-found", `unable to find ${what} ${name}: ${entries}`, {
    hint: `USER ${spec} is looked up in ${file} of the stage; create the ${what} first, or use a numeric id up to ${largestId}`,
  });
}

function parsePasswd(text: string): PasswdEntry[] {
  return lines(text).flatMap((fields) => {
    const [name = "", , uid = "", gid = "", , home = ""] = fields;
    const uidNumber = parseId(uid);
    const gidNumber = parseId(gid);
    return name === "" || uidNumber === undefined || gidNumber === undefined
      ? []
      : [{ name, uid: uidNumber, gid: gidNumber, home }];
  });
}

function parseGroup(text: string): GroupEntry[] {
  return lines(text).flatMap((fields) => {
    const [name = "", , gid = "", members = ""] = fields;
    const number = parseId(gid);
    return name === "" || number === undefined ? [] : [{ name, gid: number, members: members.split(",") }];
  });
}

function lines(text: string): string[][] {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => line.split(":").map((field) => field.trim()));
}
