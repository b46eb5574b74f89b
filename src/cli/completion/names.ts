import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { familiarReference, parseReference } from "../../core/index.ts";
import { readDockerfile } from "../../frontend/index.ts";
import { openStore, storeRoot } from "../../store/index.ts";
import type { Candidate, PartialCall } from "./types.ts";

/** Names of the images in the store that the command line is about. */
export function imageNames({ values }: PartialCall): Candidate[] {
  const root = storeRoot({ root: values.get("root") ?? "" });
  try {
    // Opening makes a store where there is none.
    if (!existsSync(join(root, "names"))) return [];
    return openStore({ root })
      .names.list()
      .flatMap(({ name }) => name ?? [])
      .map((name) => ({ value: familiarReference(parseReference(name)), description: "" }));
  } catch {
    return []; // no store, or none that we may read: there is nothing to offer
  }
}

/** Names of the containers in the store that the command line is about, with their images. */
export async function containerNames({ values, args }: PartialCall): Promise<Candidate[]> {
  const root = storeRoot({ root: values.get("root") ?? "" });
  const { openContainers } = await import("../../container/index.ts");
  try {
    return openContainers(root)
      .list()
      .filter(({ name }) => !args.includes(name))
      .map(({ name, image }) => ({ value: name, description: image }));
  } catch {
    return []; // a store that we may not read
  }
}

/** The stages of the Dockerfile that the command line names, or of the one that lies here. */
export function stageNames({ values, args: [context = "."] }: PartialCall): Candidate[] {
  const file = values.get("file") || join(context, "Dockerfile");
  try {
    if (!existsSync(file)) return [];
    const { stages } = readDockerfile(readFileSync(file), file);
    return stages.map(({ name, index, from }) => ({
      value: name ?? String(index),
      description: `FROM ${from.base}`,
    }));
  } catch {
    return []; // not readable, or wrong: the build will say how
  }
}
