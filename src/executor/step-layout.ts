import { symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { BuildError, defined } from "../core/index.ts";
import { isMapped } from "../stacking/index.ts";
import { fillClone, layOutClone } from "./clone-root.ts";
import { createMountPoints, createWorkingDirectory, systemMountPoints } from "./mount-points.ts";
import { type MountContext, overlayOf, prepareMount } from "./mounts.ts";
import { isolatedNetwork, machineAddress, namespaceFile, networkScript } from "./network.ts";
import { defaultHostname, hostsFile, isolatedResolvConf, resolvConf } from "./network-files.ts";
import { ociConfig } from "./oci-config.ts";
import { makeDirectory, writePlainFile } from "./plain-files.ts";
import { deliverPrivately, type PrivateFile, privateDirectory } from "./private-files.ts";
import { markReader, readInLowers } from "./rootfs-lookup.ts";
import { moreIds } from "./single-id.ts";
import { type RootfsMount, startScript } from "./start-script.ts";
import type { RootPlan, StackPlan, StepPlan } from "./step-plan.ts";
import { type ProcessUser, resolveUser } from "./users.ts";

/**
 * Fills a step's directory: overlay directories and links, network files, the bundle and the script that starts it. Returns
 * what that script reads from its control channel.
 */
export function layOutStep(plan: StepPlan): Uint8Array {
  const { process, lowers, upper } = plan;
  const reader = markReader(plan.marks);
  const inside = (name: string): string => join(plan.path, name);
  makeRootDirectories(plan);

  const context: MountContext = { ...plan, reader };
  const extra = plan.mounts.map((mount, index) => prepareMount(mount, index, context));
  // A container that is started again has its own users, too.
  const all = [upper, ...lowers];
  const user = mappedUser(
    plan,
    resolveUser(process.user, {
      passwd: readInLowers(all, "/etc/passwd", reader),
      group: readInLowers(all, "/etc/group", reader),
    }),
  );
  const cwd = process.cwd || "/";
  const points = [...systemMountPoints, ...extra.map((mount) => mount.point)];
  if (plan.rung === "clone") layOutClone(plan, { cwd, user, points });
  else {
    createWorkingDirectory(upper, lowers, cwd, user, reader);
    createMountPoints(inside("p"), lowers, points, reader);
  }
  const { isolated } = plan;
  const { address, resolver } = isolatedNetwork;
  const hostname = process.hostname || defaultHostname;
  const own = isolated && { address, machine: machineAddress() };
  writePlainFile(inside("hosts"), hostsFile(hostname, process.extraHosts, own));
  const resolv = isolated ? isolatedResolvConf(resolver) : resolvConf(process.network !== "none");
  writePlainFile(inside("resolv.conf"), resolv);
  const config = ociConfig({
    rootfs: inside(rootName),
    args: process.args,
    env: [...process.env, ...(process.secretEnv ?? [])],
    cwd,
    user,
    hostname,
    terminal: plan.terminal,
    insecure: process.insecure === true,
    ...defined({ capabilities: process.capabilities }),
    readonlyRoot: process.readonlyRoot === true,
    network: isolated ? { path: inside(namespaceFile) } : process.network === "none" ? "none" : "host",
    mounts: extra.map((mount) => mount.oci),
    rlimits: plan.rlimits,
    hostsFile: inside("hosts"),
    resolvConfFile: inside("resolv.conf"),
    seccomp: plan.seccomp,
    annotations: plan.annotations,
    ...defined({ hooks: plan.hooks }),
    cgroups: plan.cgroups,
    cgroupsPath: plan.cgroupsPath,
    ids: plan.ids,
  });
  const delivery = plan.isSecret
    ? deliverPrivately(`${plan.name}/${privateDirectory}`, [
        configFile(config),
        ...extra.flatMap(({ privateFile }) => privateFile ?? []),
      ])
    : undefined;
  if (delivery === undefined) writeFileSync(inside("config.json"), JSON.stringify(config), { mode: 0o600 });
  const start = startScript({
    mounts: [rootMount(plan), ...extra.flatMap((mount) => mount.rootfs ?? [])],
    before: [
      ...(delivery?.script ?? []),
      ...(isolated ? networkScript(isolated, plan.name, process.ports ?? []) : []),
    ],
    staysFirst: isolated !== undefined,
    lingers: plan.lingers,
    command: plan.command,
    hideUnifiedCgroup: plan.hideUnifiedCgroup,
  });
  writeFileSync(inside("start.sh"), start, { mode: 0o600 });
  return delivery?.payload ?? new Uint8Array();
}

/** Only the root filesystem, and what mounts it. */
export function layOutRootAlone(plan: RootPlan): void {
  makeRootDirectories(plan);
  if (plan.rung === "clone") fillClone(plan);
  const start = startScript({ mounts: [rootMount(plan)], command: plan.command, hideUnifiedCgroup: false });
  writeFileSync(join(plan.path, "start.sh"), start, { mode: 0o600 });
}

/** Where the root filesystem is mounted, in the step's directory. */
export const rootName = "m";

function makeRootDirectories({ path }: StackPlan): void {
  for (const name of ["w", rootName, "p"]) makeDirectory(join(path, name));
}

function configFile(config: Record<string, unknown>): PrivateFile {
  return { name: "config.json", content: Buffer.from(JSON.stringify(config)), uid: 0, gid: 0, mode: 0o600 };
}

function rootMount(plan: StackPlan): RootfsMount {
  const { name, upper } = plan;
  const short = relative(plan.state, upper);
  const isFar = short.startsWith("..");
  if (isFar) symlinkSync(upper, join(plan.path, "l"));
  const writes = isFar ? `${name}/l` : short;
  if (plan.rung === "clone") return { kind: "bind", source: writes, target: `${name}/m` };
  const lowers = [`${name}/p`, ...plan.lowers.map((layer) => plan.links.get(layer)!)];
  return overlayOf(plan, lowers, writes, `${name}/w`, `${name}/m`);
}

/** The user as the namespace knows him: refused where it does not. */
function mappedUser({ ids, process }: StepPlan, user: ProcessUser): ProcessUser {
  if (ids === undefined) return user;
  if (!isMapped(ids.uids, user.uid) || !isMapped(ids.gids, user.gid))
    throw new BuildError(
      "failed-precondition",
      `USER ${process.user} is ${user.uid}:${user.gid}, which this user has no subordinate id for`,
      {
        hint:
          ids.kind === "single"
            ? `steps can only be root (0:0) here: ${moreIds}`
            : "ask for a larger range in /etc/subuid and /etc/subgid",
      },
    );
  return {
    ...user,
    groups: ids.kind === "single" ? [] : user.groups.filter((gid) => isMapped(ids.gids, gid)),
  };
}
