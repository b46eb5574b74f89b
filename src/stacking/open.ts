import { BuildError } from "../core/index.ts";
import { chooseIdMap, type IdMap, ownFacts } from "./id-map.ts";
import { climb, type Stacking } from "./ladder.ts";
import { type Namespace, type NamespaceTools, openNamespace } from "./namespace.ts";
import { capabilities, findTool, hasCapability, toolPath } from "./tools.ts";

const opened = new Map<string, Promise<Stacking>>();
let namespace: Promise<Namespace> | undefined;

/**
 * How this process makes root filesystems in `directory`, the root of a store. Found out once. Throws
 * `failed-precondition` where it cannot: not Linux, or neither root nor allowed to make a user namespace.
 */
export function stackingOf(directory: string): Promise<Stacking> {
  let known = opened.get(directory);
  if (known === undefined) {
    known = openNeededNamespace().then((inside) => climb(directory, inside));
    opened.set(directory, known);
    known.catch(() => opened.delete(directory)); // what is missing may be there at the next attempt
  }
  return known;
}

/** Whether this process mounts and gives files away by itself. */
export function isPrivileged(): boolean {
  return process.geteuid?.() === 0 && hasCapability(capabilities.sysAdmin);
}

/** The user namespace of this process, made when there is none yet; undefined for who needs none. */
export async function openNeededNamespace(): Promise<Namespace | undefined> {
  if (process.platform !== "linux")
    throw new BuildError("failed-precondition", `RUN needs Linux; this is ${process.platform}`, {
      hint: "builds without RUN work everywhere",
    });
  if (isPrivileged()) return undefined;
  namespace ??= openOwnNamespace();
  namespace.catch(() => {
    namespace = undefined;
  });
  return namespace;
}

/** Which ids this process's namespace has, or would have. */
function ownIdMap(): IdMap {
  const mayMapAll = hasCapability(capabilities.setuid) && hasCapability(capabilities.setgid);
  const helpers = findTool("newuidmap") !== undefined && findTool("newgidmap") !== undefined;
  return chooseIdMap(ownFacts(mayMapAll, helpers));
}

async function openOwnNamespace(): Promise<Namespace> {
  const tools = namespaceTools();
  const ids = ownIdMap();
  if (ids.kind === "single") return openNamespace(ids, tools);
  try {
    return await openNamespace(ids, tools);
  } catch (error) {
    // Where setuid programs do not work (no_new_privs) the user still has an id.
    const own = { ...ownFacts(false, false), subuid: "", subgid: "" };
    const fallback = await openNamespace({ ...chooseIdMap(own), instead: (error as Error).message }, tools);
    return fallback;
  }
}

function namespaceTools(): NamespaceTools {
  const need = (name: string): string => {
    const path = findTool(name);
    if (path !== undefined) return path;
    throw new BuildError(
      "failed-precondition",
      `RUN without root needs the program ${name}, which is not on PATH`,
      {
        hint: "it is part of util-linux (on Debian and Ubuntu: apt-get install util-linux)",
      },
    );
  };
  return {
    unshare: need("unshare"),
    nsenter: need("nsenter"),
    sh: need("sh"),
    newuidmap: findTool("newuidmap"),
    newgidmap: findTool("newgidmap"),
    path: toolPath(),
  };
}
