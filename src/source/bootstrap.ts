import { createReadStream, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { ContentStore } from "../content/index.ts";
import {
  type Bytes,
  defined,
  familiarReference,
  formatReference,
  hostPlatform,
  isDigest,
  makeDirectories,
  parseReference,
  replaceFile,
  replaceFileBy,
} from "../core/index.ts";
import { type Image, type ImageConfig, imageFromSnapshot, imageRecordOf } from "../image/index.ts";
import type { LayerStore } from "../layer/index.ts";
import { type ImageRecord, lock, type NameStore } from "../names/index.ts";
import type { LayerId } from "../snapshot/index.ts";
import type { ToolOptions } from "./bootstrap-process.ts";
import {
  type BootstrapRecipe,
  bootstrapEpoch,
  describeRecipe,
  type RecipeOptions,
  recipeKey,
  recipeOf,
} from "./bootstrap-recipe.ts";
import { type BootstrapTools, makeBusybox, makeDebian, sourcesFor } from "./bootstrap-rootfs.ts";

export interface BootstrapOptions extends RecipeOptions {
  /** The name that the image gets; default the base's own (`debian:bookworm-slim`). */
  readonly name?: string;
  /** Make the root filesystem anew, with today's packages. */
  readonly refresh?: boolean;
  /** Where root filesystems are kept between runs; default `bootstrapCache()`. */
  readonly cacheDirectory?: string;
  readonly signal?: AbortSignal;
  /** Each line that apt and mmdebstrap print. */
  readonly onLine?: ToolOptions["onLine"];
}

export interface BootstrappedImage {
  readonly record: ImageRecord;
  readonly image: Image;
  /** `debian bookworm minbase slim with gcc`. */
  readonly recipe: string;
  /** Whether the root filesystem was made before. */
  readonly cached: boolean;
}

/** Labels by which a bootstrapped image says what it is. */
export const bootstrapLabels = {
  recipe: "stagewright.bootstrap.recipe",
  notice: "stagewright.bootstrap.notice",
} as const;

/**
 * Makes a base image from Debian's signed packages, with no container registry, and names it. `base` is `busybox`,
 * `debian:SUITE` or `debian:SUITE-slim`. The mirror is that of the machine's own apt configuration. The caller holds a begun
 * lease. Throws `failed-precondition` when a tool is missing, `unavailable` when the mirror cannot be reached.
 */
export async function bootstrap(
  base: string,
  stores: { readonly content: ContentStore; readonly layers: LayerStore; readonly names: NameStore },
  options: BootstrapOptions = {},
): Promise<BootstrappedImage> {
  const recipe = recipeOf(base, options);
  const name = parseReference(options.name ?? base);
  const { signal, onLine } = options;
  const tools = defined({ signal, onLine });
  const { file, cached } = await rootfsTar(recipe, options, tools);
  const layer = await layerOf(file, stores, signal);
  const description = describeRecipe(recipe);
  const config = configOf(recipe, description, familiarReference(name));
  const image = await imageFromSnapshot({ snapshot: { layers: [layer] }, config }, stores, signal);
  const record = await stores.names.set(formatReference(name), imageRecordOf(image));
  return { record, image, recipe: description, cached };
}

/**
 * The layer of a cached tar. Its digest is noted beside it, so that a store that has the layer need not read it again.
 */
async function layerOf(
  file: string,
  { content, layers }: { readonly content: ContentStore; readonly layers: LayerStore },
  signal: AbortSignal | undefined,
): Promise<LayerId> {
  const note = `${file}.digest`;
  const noted = existsSync(note) ? readFileSync(note, "utf8") : undefined;
  const known = isDigest(noted) ? layers.byDiffId(noted) : undefined;
  if (known !== undefined) return known;
  const blob = await content.ingest(createReadStream(file) as Bytes, {}, signal);
  const layer = await layers.fromTar(blob, defined({ signal }));
  replaceFile(note, blob.digest);
  return layer;
}

/** `/var/cache/stagewright/bootstrap` for root, else the user's cache directory. */
export function bootstrapCache(env: NodeJS.ProcessEnv = process.env): string {
  const own = env.XDG_CACHE_HOME?.startsWith("/") ? env.XDG_CACHE_HOME : undefined;
  const base = own ?? (process.getuid?.() === 0 ? "/var/cache" : join(homedir(), ".cache"));
  return join(base, "stagewright", "bootstrap");
}

/** The recipe's root filesystem in the cache; of several processes that need it, one makes it. */
async function rootfsTar(
  recipe: BootstrapRecipe,
  options: BootstrapOptions,
  tools: BootstrapTools,
): Promise<{ file: string; cached: boolean }> {
  const directory = options.cacheDirectory ?? bootstrapCache();
  const sources = recipe.kind === "debian" ? await sourcesFor(recipe.suite, tools) : [];
  const file = join(directory, `${recipeKey(recipe, sources)}.tar`);
  if (!options.refresh && existsSync(file)) return { file, cached: true };
  makeDirectories(directory);
  const held = await lock(`${file}.lock`, "exclusive", options.signal);
  try {
    if (!options.refresh && existsSync(file)) return { file, cached: true };
    removeLeftOvers(file);
    await replaceFileBy(file, async (temporary) => {
      if (recipe.kind === "busybox") await makeBusybox(temporary, tools);
      else await makeDebian(recipe, sources, temporary, tools);
      rmSync(`${file}.digest`, { force: true });
    });
    return { file, cached: false };
  } finally {
    held.release();
  }
}

/** What a killed process began; nobody else works on this recipe while its lock is held. */
function removeLeftOvers(file: string): void {
  const directory = dirname(file);
  for (const name of readdirSync(directory))
    if (name.startsWith(basename(file)) && name.endsWith(".tmp"))
      rmSync(join(directory, name), { force: true });
}

function configOf(recipe: BootstrapRecipe, description: string, name: string): Omit<ImageConfig, "rootfs"> {
  const { os, architecture, variant } = hostPlatform();
  const created = new Date(bootstrapEpoch * 1000).toISOString();
  return {
    os,
    architecture,
    ...defined({ variant }),
    created,
    config: {
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
      Cmd: [recipe.kind === "busybox" ? "sh" : "bash"],
      Labels: {
        [bootstrapLabels.recipe]: description,
        [bootstrapLabels.notice]: `stand-in for ${name}, made from Debian packages; not the image of that name in a registry`,
      },
    },
    history: [{ created, created_by: `stagewright bootstrap: ${description}` }],
  };
}
