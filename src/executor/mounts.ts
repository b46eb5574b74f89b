import { lstatSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../core/index.ts";
import { cloneTree, overlayFlags } from "../stacking/index.ts";
import type { MountPoint } from "./mount-points.ts";
import type { OciMount } from "./oci-config.ts";
import { makeDirectory } from "./plain-files.ts";
import { type PrivateFile, privateDirectory } from "./private-files.ts";
import { type MarkReader, resolveInLowers } from "./rootfs-lookup.ts";
import type { RootfsMount } from "./start-script.ts";
import type { StepPlan } from "./step-plan.ts";
import type { Mount } from "./types.ts";

/**
 * Layers as overlayfs takes them: topmost first, each once. It refuses a directory that is there twice (an image can
 * hold the same layer, say an empty one, several times); the upper one hides the lower one entirely.
 */
export function topmostFirst(lowers: readonly string[]): string[] {
  return [...new Set([...lowers].reverse())];
}

/** An overlay on this rung; `lowers` topmost first. All paths are relative to the state directory. */
export function overlayOf(
  { rung, marks, fuse }: Pick<StepPlan, "rung" | "marks" | "fuse">,
  lowers: readonly string[],
  upper: string,
  work: string,
  target: string,
): RootfsMount {
  const directories = `lowerdir=${lowers.join(":")},upperdir=${upper},workdir=${work}`;
  if (rung === "overlay")
    return { kind: "overlay", options: `${directories},${overlayFlags(marks)}`, target };
  return { kind: "fuse", program: fuse!, options: directories, target };
}

/** A mount of one step, in the terms of the runtime. */
export interface PreparedMount {
  readonly oci: OciMount;
  readonly point: MountPoint;
  readonly rootfs?: RootfsMount;
  readonly privateFile?: PrivateFile;
}

/** What mounts need of their step. */
export interface MountContext
  extends Pick<StepPlan, "name" | "path" | "lowers" | "links" | "rung" | "marks" | "fuse"> {
  readonly reader: MarkReader;
}

/** Makes what a mount needs in the step's directory. */
export function prepareMount(mount: Mount, index: number, context: MountContext): PreparedMount {
  switch (mount.type) {
    case "tmpfs": {
      const size = mount.sizeBytes ? [`size=${mount.sizeBytes}`] : [];
      const mode = modeBelow(context.lowers, mount.target, context.reader);
      return {
        oci: {
          destination: mount.target,
          type: "tmpfs",
          source: "tmpfs",
          options: ["nosuid", ...mode, ...(mount.readonly ? ["ro"] : []), ...size],
        },
        point: { target: mount.target, type: "directory" },
      };
    }
    case "bind":
      return bindOf(mount.source, mount.target, mount.readonly);
    case "secret":
      return secretOf(mount, `secret${index}`, join(context.path, privateDirectory));
    case "overlay":
      return stackMount(mount, `o${index}`, context);
  }
}

function secretOf(
  { content, target, uid, gid, mode }: Extract<Mount, { type: "secret" }>,
  name: string,
  directory: string,
): PreparedMount {
  const options = ["rbind", "ro", "nodev", "nosuid", ...((mode & 0o111) === 0 ? ["noexec"] : [])];
  return {
    oci: { destination: target, type: "bind", source: join(directory, name), options },
    point: { target, type: "file" },
    privateFile: { name, content, uid, gid, mode },
  };
}

function stackMount(
  mount: Extract<Mount, { type: "overlay" }>,
  name: string,
  context: MountContext,
): PreparedMount {
  const topFirst = topmostFirst(mount.lowers);
  for (const part of [name, `${name}/m`, `${name}/e`, `${name}/u`, `${name}/w`])
    makeDirectory(join(context.path, part));
  const { components, found } = resolveInLowers(topFirst, mount.source, context.reader);
  if (components.length > 0 && found === undefined)
    throw new BuildError("not-found", `${mount.source}: not found in what is mounted on ${mount.target}`);
  const isDirectory = found?.stats.isDirectory() ?? true;
  const bound = (root: string): PreparedMount =>
    bindOf(join(root, ...components), mount.target, mount.readonly, isDirectory);
  const own = `${context.name}/${name}`;
  if (context.rung === "clone") {
    const copy = join(context.path, name, "u");
    if (mount.readonly) return bound(topFirst[0] ?? copy);
    if (topFirst[0] !== undefined) cloneTree(topFirst[0], copy);
    return bound(copy);
  }
  const lowers = [`${own}/e`, ...topFirst.map((layer) => context.links.get(layer)!)];
  return {
    ...bound(join(context.path, name, "m")),
    rootfs: overlayOf(context, lowers, `${own}/u`, `${own}/w`, `${own}/m`),
  };
}

/** A tmpfs has the mode of the directory that it covers; runc sees to that, crun has to be told. */
function modeBelow(root: readonly string[], target: string, reader: MarkReader): string[] {
  const { found } = resolveInLowers(root, target, reader);
  return found?.stats.isDirectory() ? [`mode=${(found.stats.mode & 0o7777).toString(8)}`] : [];
}

function bindOf(source: string, target: string, readonly: boolean, isDirectory?: boolean): PreparedMount {
  const directory = isDirectory ?? lstatSync(source).isDirectory();
  return {
    oci: { destination: target, type: "bind", source, options: ["rbind", readonly ? "ro" : "rw"] },
    point: { target, type: directory ? "directory" : "file" },
  };
}
