import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { BuildError, toBuildError } from "../core/index.ts";
import { mapName } from "./id-map.ts";
import type { Namespace } from "./namespace.ts";
import { findTool, toolPath } from "./tools.ts";

/** Ways to stack layers, the best first. */
const rungs = ["overlay", "fuse-overlayfs", "clone"] as const;
export type Rung = (typeof rungs)[number];

/**
 * What marks deleted names and replaced directories in the directory form of a layer: `trusted` and `user` are overlayfs's own,
 * a device 0/0 and an xattr of that namespace; `files` are those of image layers, `.wh.NAME`, for where a filesystem or
 * the kernel does not let us make the others.
 */
export type Marks = "trusted" | "user" | "files";

/** How root filesystems are made from layers on one filesystem, by this process. */
export interface Stacking {
  readonly rung: Rung;
  readonly marks: Marks;
  /** Where files of all owners can be made and mounted; undefined for who may do that anyway. */
  readonly namespace: Namespace | undefined;
  /** Names the kind of directory; empty for that of root and overlayfs, the usual one. */
  readonly form: string;
  /** Better rungs, and why they cannot be used. */
  readonly passed: readonly { readonly rung: Rung; readonly why: string }[];
}

const overlayMagic = 0x794c7630;
const probeMs = 20_000;

/** Takes the best rung that works in `directory`, or one that `STAGEWRIGHT_STORAGE` names. */
export async function climb(directory: string, namespace: Namespace | undefined): Promise<Stacking> {
  const wanted = wantedRung();
  const passed: { rung: Rung; why: string }[] = [];
  for (const rung of rungs) {
    if (wanted !== undefined && rungs.indexOf(rung) < rungs.indexOf(wanted)) {
      passed.push({ rung, why: `STAGEWRIGHT_STORAGE=${wanted}` });
      continue;
    }
    const why = await obstacle(rung, directory, namespace);
    if (why === undefined) return stacking(rung, namespace, passed);
    passed.push({ rung, why });
  }
  throw new BuildError("internal", "no way to stack layers");
}

function stacking(rung: Rung, namespace: Namespace | undefined, passed: Stacking["passed"]): Stacking {
  const marks = rung === "overlay" ? (namespace === undefined ? "trusted" : "user") : "files";
  const usual = rung === "overlay" && namespace === undefined;
  const ids = namespace === undefined ? "" : mapName(namespace.ids);
  return { rung, marks, namespace, passed, form: usual ? "" : `${rung} ${marks} ${ids}` };
}

function wantedRung(): Rung | undefined {
  const value = process.env.STAGEWRIGHT_STORAGE;
  if (!value) return undefined;
  const rung = rungs.find((candidate) => candidate === value);
  if (rung !== undefined) return rung;
  throw new BuildError("invalid-argument", `STAGEWRIGHT_STORAGE=${value} is no way to stack layers`, {
    hint: `one of ${rungs.join(", ")}`,
  });
}

/** Why a rung cannot be used, or undefined. */
async function obstacle(
  rung: Rung,
  directory: string,
  namespace: Namespace | undefined,
): Promise<string | undefined> {
  if (rung === "clone") return undefined;
  if (rung === "overlay") {
    if (statfsSync(directory).type === overlayMagic)
      return "the store lies on overlayfs, which cannot hold what another overlay writes";
    // What root does not get from the kernel here is rare enough for the step itself to find out.
    return namespace === undefined
      ? undefined
      : probe(
          directory,
          namespace,
          ["mount", "-t", "overlay", "-o", `${overlayFlags("user")},lowerdir=l,upperdir=u,workdir=w`],
          "[ -c u/x ]",
        );
  }
  const program = findTool("fuse-overlayfs");
  if (program === undefined) return "fuse-overlayfs is not on PATH";
  return probe(directory, namespace, [program, "-o", "lowerdir=l,upperdir=u,workdir=w"], "[ ! -e m/x ]");
}

/** Options of a kernel overlay, beside its directories. `volatile`: the layer is made durable later, all at once. */
export function overlayFlags(marks: Marks): string {
  // With userxattr the kernel never redirects, and refuses to be told so.
  return marks === "user"
    ? "userxattr,volatile,metacopy=off,index=off"
    : "volatile,redirect_dir=off,metacopy=off,index=off";
}

/** Mounts, deletes a file of the lower directory, and looks at the result. */
async function probe(
  directory: string,
  namespace: Namespace | undefined,
  mount: readonly string[],
  expected: string,
): Promise<string | undefined> {
  const script = `
cd "$1" && shift && mkdir l u w m && : > l/x && "$@" ${mount.includes("overlay") ? "overlay " : ""}m && rm m/x && ${expected}
code=$?
umount m 2>/dev/null
rm -rf l u w m
exit $code`;
  let place: string | undefined;
  try {
    mkdirSync(directory, { recursive: true });
    place = mkdtempSync(join(directory, "probe-"));
    const words = [
      ...(namespace?.enter ?? []),
      findTool("unshare") ?? "unshare",
      "-m",
      findTool("sh") ?? "sh",
    ];
    await promisify(execFile)(words[0]!, [...words.slice(1), "-c", script, "sh", place, ...mount], {
      env: { PATH: toolPath(), LIBMOUNT_FORCE_MOUNT2: "always" },
      timeout: probeMs,
    });
    return undefined;
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    return (stderr || toBuildError(error).message).trim().split("\n")[0] || "a test mount does not work";
  } finally {
    if (place !== undefined) rmSync(place, { recursive: true, force: true });
  }
}
