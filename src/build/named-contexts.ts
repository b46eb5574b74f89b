import { realpathSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { BuildError, formatReference, parseReference } from "../core/index.ts";
import type { NamedContext } from "../frontend/index.ts";

/** What `--build-context` lends to a build. */
export interface NamedContexts {
  readonly byName: ReadonlyMap<string, NamedContext>;
  /** Directories by the name that their `local://` source has. */
  readonly directories: ReadonlyMap<string, string>;
}

/**
 * Reads `--build-context NAME=VALUE`: a directory or `docker-image://NAME`. Other kinds are refused by name. Names are
 * kept under both forms that a Dockerfile may use: as given, and as the image reference they normalise to.
 */
export function readNamedContexts(given: Readonly<Record<string, string>>, cwd: string): NamedContexts {
  const byName = new Map<string, NamedContext>();
  const directories = new Map<string, string>();
  for (const [name, value] of Object.entries(given)) {
    const context = readContext(name, value, cwd, directories);
    byName.set(name.toLowerCase(), context);
    const reference = referenceOf(name);
    if (reference !== undefined) byName.set(reference, context);
  }
  return { byName, directories };
}

function readContext(
  name: string,
  value: string,
  cwd: string,
  directories: Map<string, string>,
): NamedContext {
  if (value.startsWith("docker-image://"))
    return { kind: "image", ref: formatReference(parseReference(value.slice("docker-image://".length))) };
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//.exec(value)?.[1] ?? /^(docker-daemon|git@)/.exec(value)?.[1];
  if (scheme !== undefined)
    throw new BuildError("unimplemented", `build context ${name}: ${scheme} is not supported yet: ${value}`, {
      hint: "use a directory or docker-image://NAME",
    });
  const directory = resolve(cwd, value);
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory())
    throw new BuildError("not-found", `build context ${name}: ${value} is not a directory`);
  const local = `context:${name}`;
  directories.set(local, realpathSync(directory));
  return { kind: "local", name: local, excludePatterns: [] };
}

function referenceOf(name: string): string | undefined {
  try {
    return formatReference(parseReference(name));
  } catch {
    return undefined; // a stage name such as `Base`: no image is called so
  }
}
