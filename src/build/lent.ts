import { BuildError, defined } from "../core/index.ts";
import type { Session } from "../session/index.ts";
import type { BuildOptions } from "./options.ts";

/**
 * What the caller lends the steps. It is opened at once where there is something, so that a missing file stops the build
 * before it starts; otherwise when the first step runs.
 */
export async function lend({ secrets, ssh, cwd }: BuildOptions): Promise<() => Promise<Session>> {
  const open = async (): Promise<Session> => {
    const { openSession } = await import("../session/index.ts");
    return openSession(defined({ secrets, ssh, cwd }));
  };
  if (Object.keys({ ...secrets, ...ssh }).length === 0) return open;
  const session = await open();
  return async () => session;
}

const known = ["network.host", "security.insecure", "device"];

/** What steps may do beyond the usual. Asking for the machine's network grants it, as with buildx. */
export function entitlementsOf({ allow = [], network }: BuildOptions): ReadonlySet<string> {
  const granted = new Set(network === "host" ? ["network.host"] : []);
  for (const entitlement of allow) {
    const name = entitlement.startsWith("device=") ? "device" : entitlement;
    if (!known.includes(name))
      throw new BuildError("invalid-argument", `unknown entitlement ${entitlement}`, {
        hint: `one of ${known.join(", ")}`,
      });
    granted.add(name);
  }
  return granted;
}
