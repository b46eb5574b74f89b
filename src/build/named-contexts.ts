import { realpathSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  BuildError,
  defined,
  fileBytes,
  formatReference,
  type IgnoreFile,
  parseGitReference,
  parseReference,
  readIgnoreFile,
  shownUrl,
} from "../core/index.ts";
import type { NamedContext } from "../frontend/index.ts";
import { gitSource, httpSource, type LlbVertex } from "../llb/index.ts";
import type { Lent } from "../ops/index.ts";
import { readIgnoreBytes } from "./context.ts";
import type { Engine } from "./engine.ts";

/** What `--build-context` lends to a build. */
export interface NamedContexts {
  readonly byName: ReadonlyMap<string, NamedContext>;
  /** Files of the caller by the name that their `local://` source has. */
  readonly lent: ReadonlyMap<string, Lent>;
}

/** Opens a tar of the caller when a step asks for it. */
export type TarOpener = (
  path: string,
) => Promise<Awaited<ReturnType<Extract<Lent, { snapshot: unknown }>["snapshot"]>>>;

/**
 * Reads `--build-context NAME=VALUE`. A context is a directory, a tar, an image (`docker-image://`, `oci-layout://`,
 * `docker-daemon:`), a git repository or a URL; nothing of it is fetched before a step needs it. Names are kept under both
 * forms that a Dockerfile may use: as given, and as the image reference they normalise to.
 */
export function readNamedContexts(
  given: Readonly<Record<string, string>>,
  cwd: string,
  openTar: TarOpener = unopened,
): NamedContexts {
  const byName = new Map<string, NamedContext>();
  const lent = new Map<string, Lent>();
  for (const [name, value] of Object.entries(given)) {
    const context = elsewhere(name, value, cwd) ?? onDisk(name, value, cwd, lent, openTar);
    byName.set(name.toLowerCase(), context);
    const reference = referenceOf(name);
    if (reference !== undefined) byName.set(reference, context);
  }
  return { byName, lent };
}

function unopened(path: string): never {
  throw new BuildError("internal", `${path}: nothing is read while a build is only planned`);
}

/** For `build`: tars become layers of the store. */
export function tarOpener(engine: Engine, signal: AbortSignal): TarOpener {
  return async (path) => {
    const { snapshotOfTar } = await import("./tar-context.ts");
    return snapshotOfTar(fileBytes(path, signal), engine, signal);
  };
}

/** What is not on this disk as files; `undefined` for a path. */
function elsewhere(name: string, value: string, cwd: string): NamedContext | undefined {
  const repository = parseGitReference(value);
  if (repository !== undefined)
    return remote(() => gitSource(repository, { name: `[internal] load git source ${shownUrl(value)}` }));
  if (/^https?:\/\//.test(value))
    return remote((key) =>
      httpSource(value, { filename: "context" }, { name: `[context ${key}] ${shownUrl(value)}` }),
    );
  const [, kind, rest] = /^([a-z][a-z0-9+.-]*):(.*)$/s.exec(value) ?? [];
  switch (kind) {
    case "docker-image": {
      const image = rest!.replace(/^\/\//, "");
      return { kind: "image", ref: image === "scratch" ? image : formatReference(parseReference(image)) };
    }
    case "oci-layout":
      return layoutContext(name, rest!.replace(/^\/\//, ""), cwd);
    case "docker-daemon": {
      const image = formatReference(parseReference(rest!.replace(/^\/\//, "")));
      return { kind: "oci-layout", store: `docker-daemon:${image}` };
    }
    default:
      if (kind === undefined || !(rest!.startsWith("//") || kind === "target")) return undefined;
  }
  throw new BuildError(
    "invalid-argument",
    `build context ${name}: ${kind}: is no kind of context: ${shownUrl(value)}`,
    {
      hint: "a directory, a tar, docker-image://, oci-layout://, docker-daemon:, a git repository, or an http(s) URL",
    },
  );
}

function remote(vertex: (key: string) => LlbVertex): NamedContext {
  return { kind: "remote", source: (key) => ({ vertex: vertex(key), index: 0 }) };
}

/** `PATH[:TAG][@DIGEST]`; the tag `latest` when neither is there. */
function layoutContext(name: string, value: string, cwd: string): NamedContext {
  const [, located = "", digest] = /^(.*?)(?:@(sha256:[0-9a-f]{64}))?$/s.exec(value) ?? [];
  const [, path = "", tag] = /^(.*?)(?::([\w][\w.-]{0,127}))?$/s.exec(located) ?? [];
  const directory = resolve(cwd, path);
  if (!statSync(join(directory, "index.json"), { throwIfNoEntry: false })?.isFile())
    throw new BuildError(
      "not-found",
      `build context ${name}: ${path} is no OCI layout: it has no index.json`,
    );
  const wanted = digest ?? (tag === undefined ? "latest" : tag);
  return { kind: "oci-layout", store: `oci-layout:${wanted} ${realpathSync(directory)}` };
}

function onDisk(
  name: string,
  value: string,
  cwd: string,
  lent: Map<string, Lent>,
  openTar: TarOpener,
): NamedContext {
  const path = resolve(cwd, value);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined)
    throw new BuildError(
      "not-found",
      `failed to get build context ${name}: stat ${value}: no such file or directory`,
    );
  const local = `context:${name}`;
  if (found.isDirectory()) {
    const directory = realpathSync(path);
    const ignore = ignoreOf(directory);
    lent.set(local, { directory, ...defined({ ignore }) });
    return { kind: "local", name: local, excludePatterns: ignore?.patterns ?? [] };
  }
  let snapshot: ReturnType<TarOpener> | undefined;
  lent.set(local, {
    snapshot: () => {
      snapshot ??= openTar(path);
      return snapshot;
    },
  });
  return { kind: "local", name: local, excludePatterns: [] };
}

function ignoreOf(directory: string): IgnoreFile | undefined {
  const bytes = readIgnoreBytes(join(directory, ".dockerignore"), ".dockerignore");
  return bytes && readIgnoreFile(bytes);
}

function referenceOf(name: string): string | undefined {
  try {
    return formatReference(parseReference(name));
  } catch {
    return undefined; // a stage name such as `Base`: no image is called so
  }
}
