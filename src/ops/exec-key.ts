import {
  type BytePath,
  bytePathOf,
  type Digest,
  digestOfFields,
  formatPlatform,
  hostPlatform,
  type Platform,
} from "../core/index.ts";
import type { LayerStore } from "../layer/index.ts";
import { type ExecMount, type ExecOp, emptyInput, type LentFile } from "../llb/index.ts";
import { contentDigest } from "../snapshot/index.ts";
import type { CacheKey, Ingredient } from "../solver/index.ts";
import { type LocalTree, rowFinder } from "../source/index.ts";
import { missingIn } from "./file-missing.ts";
import { treeOfRootfs } from "./file-tree.ts";
import type { Ref } from "./ref.ts";

/** Raised when the same definition leads to another result than before. */
const keyVersion = 1;

/** Key of a step by what it is and where its inputs come from; undefined when an input has no such key. */
export function definitionKeyOf(
  op: ExecOp,
  platform: Platform | undefined,
  inputKeys: readonly (Digest | undefined)[],
): CacheKey | undefined {
  if (inputKeys.includes(undefined)) return undefined;
  return keyOf([
    ...definition(op, platform),
    ...op.mounts
      .filter(hasInput)
      .flatMap((mount) => [
        ingredient(`input ${mount.dest}`, inputKeys[mount.input]),
        ...(mount.selector === "" ? [] : [ingredient(`path in ${mount.dest}`, mount.selector)]),
      ]),
  ]);
}

/** Whether some input counts by its content alone: what is mounted and cannot become part of a result. */
export function hasContentKey(op: ExecOp): boolean {
  return op.mounts.some(countsByContent);
}

/** As the definition key, but files that are only mounted count by their content, wherever they come from. */
export async function contentKeyOf(
  op: ExecOp,
  platform: Platform | undefined,
  inputs: readonly Ref[],
  inputKeys: readonly (Digest | undefined)[],
  layers: LayerStore,
): Promise<CacheKey | undefined> {
  const ingredients = definition(op, platform);
  for (const mount of op.mounts.filter(hasInput)) {
    const value = countsByContent(mount)
      ? await digestOfMount(mount, inputs[mount.input]!, layers)
      : inputKeys[mount.input];
    if (value === undefined) return undefined;
    ingredients.push(ingredient(`${countsByContent(mount) ? "content" : "input"} ${mount.dest}`, value));
  }
  return keyOf(ingredients);
}

/** The content of what a mount shows. */
export async function digestOfMount(mount: ExecMount, ref: Ref, layers: LayerStore): Promise<Digest> {
  const rootfs = ref.kind === "snapshot" ? await layers.rootfs(ref.snapshot) : ref.tree.rootfs;
  const path = bytePathOf(mount.selector.replace(/^\/+|\/+$/g, ""));
  const found = rootfs.resolve(path);
  if (found.entry === undefined && path !== "") {
    const tree = ref.kind === "tree" ? ref.tree : undefined;
    const where = tree?.name ?? `what is mounted on ${mount.dest}`;
    throw missingIn(path, where, treeOfRootfs(rootfs), tree?.exclude);
  }
  if (ref.kind === "tree") await hashBelow(ref.tree, found.path);
  return contentDigest(rootfs, path, { follow: true });
}

/** Reads, or remembers, the files of a scanned directory that are at or below a path. */
async function hashBelow({ table, hash }: LocalTree, path: BytePath): Promise<void> {
  const row = rowFinder(table)(path);
  if (row === undefined) return;
  await hash(Array.from({ length: table.end[row]! - row }, (_, offset) => row + offset));
}

function hasInput(mount: ExecMount): boolean {
  return mount.input !== emptyInput && (mount.type === "bind" || mount.type === "cache");
}

function countsByContent(mount: ExecMount): boolean {
  return hasInput(mount) && mount.dest !== "/" && mount.contentCache !== "off";
}

/**
 * Everything that a step's result depends on beside its inputs. Left out, as in BuildKit: proxy settings, the addresses of
 * extra hosts, and which cache a cache mount is.
 */
function definition(op: ExecOp, platform: Platform | undefined): Ingredient[] {
  const { meta } = op;
  const ulimits = meta.ulimits.map(({ name, soft, hard }) => `${name}=${soft}:${hard}`);
  return [
    ingredient("operation", `exec v${keyVersion}`),
    ingredient("platform", formatPlatform(platform ?? hostPlatform())),
    ...meta.args.map((value, index) => ingredient(index === 0 ? "command" : `argument ${index}`, value)),
    ...meta.env.map(environment),
    ingredient("working directory", meta.cwd),
    ingredient("user", meta.user),
    ingredient("network", op.network),
    ...optional("security", op.security === "sandbox" ? "" : op.security),
    ...optional("hostname", meta.hostname),
    ...optional("extra hosts", meta.extraHosts.map(({ host }) => host).join(" ")),
    ...optional("ulimits", ulimits.join(" ")),
    ...optional("valid exit codes", meta.validExitCodes.join(" ")),
    ...op.mounts.filter((mount) => mount.dest !== "/").map(mountIngredient),
    ...op.secretEnv.map(({ id, name, optional }) =>
      ingredient(`secret env ${name}`, `id=${id}${optional ? "" : ",required"}`),
    ),
    ...optional("devices", op.cdiDevices.map(({ name }) => name).join(" ")),
    ...optional("control group parent", meta.cgroupParent),
  ];
}

function mountIngredient(mount: ExecMount): Ingredient {
  const size = mount.tmpfs?.size ? `,size=${mount.tmpfs.size}` : "";
  const lent = lentText(mount.secret ?? mount.ssh);
  return ingredient(`mount ${mount.dest}`, `${mount.type}${mount.readonly ? ",ro" : ""}${size}${lent}`);
}

/** Which secret or agent a step has, and how; never what is in it. */
function lentText(file: LentFile | undefined): string {
  if (file === undefined) return "";
  const { id, uid, gid, mode, optional } = file;
  return `,id=${id},owner=${uid}:${gid},mode=${mode.toString(8)}${optional ? "" : ",required"}`;
}

function environment(entry: string): Ingredient {
  const equals = entry.indexOf("=");
  return equals < 0
    ? ingredient(`env ${entry}`, "")
    : ingredient(`env ${entry.slice(0, equals)}`, entry.slice(equals + 1));
}

function optional(name: string, value: string): Ingredient[] {
  return value === "" ? [] : [ingredient(name, value)];
}

function ingredient(name: string, value: string | undefined): Ingredient {
  return { name, value: value ?? "" };
}

function keyOf(ingredients: readonly Ingredient[]): CacheKey {
  return { key: digestOfFields(...ingredients.flatMap(({ name, value }) => [name, value])), ingredients };
}
