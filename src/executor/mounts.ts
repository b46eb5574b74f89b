import { lstatSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../core/index.ts";
import type { MountPoint } from "./mount-points.ts";
import type { OciMount } from "./oci-config.ts";
import { makeDirectory } from "./plain-files.ts";
import { type PrivateFile, privateDirectory } from "./private-files.ts";
import { type OpaqueTest, resolveInLowers } from "./rootfs-lookup.ts";
import type { OverlayMount } from "./start-script.ts";
import type { Mount } from "./types.ts";

/**
 * Layers as overlayfs takes them: topmost first, each once. It refuses a directory that is there twice (an image can
 * hold the same layer, say an empty one, several times); the upper one hides the lower one entirely.
 */
export function topmostFirst(lowers: readonly string[]): string[] {
  return [...new Set([...lowers].reverse())];
}

/** Options of an overlay; `lowers` topmost first. All paths are relative to the state directory. */
export function overlayOptions(lowers: readonly string[], upper: string, work: string): string {
  // volatile: the layer is made durable later, all at once.
  return `lowerdir=${lowers.join(":")},upperdir=${upper},workdir=${work},volatile,redirect_dir=off,metacopy=off,index=off`;
}

/** A mount of one step, in the terms of the runtime. */
export interface PreparedMount {
  readonly oci: OciMount;
  readonly point: MountPoint;
  readonly overlay?: OverlayMount;
  readonly privateFile?: PrivateFile;
}

/** Makes what a mount needs in the step's directory. `root` are the lowers of the root filesystem, topmost first. */
export function prepareMount(
  mount: Mount,
  index: number,
  root: readonly string[],
  step: { readonly name: string; readonly path: string },
  link: (layer: string) => string,
  isOpaque: OpaqueTest,
): PreparedMount {
  switch (mount.type) {
    case "tmpfs": {
      const size = mount.sizeBytes ? [`size=${mount.sizeBytes}`] : [];
      const mode = modeBelow(root, mount.target, isOpaque);
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
      return secretOf(mount, `secret${index}`, join(step.path, privateDirectory));
    case "overlay": {
      const name = `o${index}`;
      const topFirst = topmostFirst(mount.lowers);
      for (const part of [name, `${name}/m`, `${name}/e`, `${name}/u`, `${name}/w`])
        makeDirectory(join(step.path, part));
      const { components, found } = resolveInLowers(topFirst, mount.source, isOpaque);
      if (components.length > 0 && found === undefined)
        throw new BuildError("not-found", `${mount.source}: not found in what is mounted on ${mount.target}`);
      const lowers = [`${step.name}/${name}/e`, ...topFirst.map(link)];
      const bound = bindOf(
        join(step.path, name, "m", ...components),
        mount.target,
        mount.readonly,
        found?.stats.isDirectory() ?? true,
      );
      return {
        ...bound,
        overlay: {
          options: overlayOptions(lowers, `${step.name}/${name}/u`, `${step.name}/${name}/w`),
          target: `${step.name}/${name}/m`,
        },
      };
    }
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

/** A tmpfs has the mode of the directory that it covers; runc sees to that, crun has to be told. */
function modeBelow(root: readonly string[], target: string, isOpaque: OpaqueTest): string[] {
  const { found } = resolveInLowers(root, target, isOpaque);
  return found?.stats.isDirectory() ? [`mode=${(found.stats.mode & 0o7777).toString(8)}`] : [];
}

function bindOf(source: string, target: string, readonly: boolean, isDirectory?: boolean): PreparedMount {
  const directory = isDirectory ?? lstatSync(source).isDirectory();
  return {
    oci: { destination: target, type: "bind", source, options: ["rbind", readonly ? "ro" : "rw"] },
    point: { target, type: directory ? "directory" : "file" },
  };
}
