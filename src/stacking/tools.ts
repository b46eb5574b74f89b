import { accessSync, constants, readFileSync, statSync } from "node:fs";

const fallbackPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The search path for system tools: the caller's, or the usual one where there is none. */
export function toolPath(): string {
  return process.env.PATH || fallbackPath;
}

/** Absolute path of a program on the search path, or undefined. */
export function findTool(name: string): string | undefined {
  if (name.includes("/")) return isExecutable(name) ? name : undefined;
  for (const directory of toolPath().split(":")) {
    if (!directory.startsWith("/")) continue;
    const candidate = `${directory}/${name}`;
    if (isExecutable(candidate)) return candidate;
  }
  return undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Capabilities by their numbers. */
export const capabilities = { setgid: 6n, setuid: 7n, sysAdmin: 21n, sysResource: 24n } as const;

/** Whether this process has a capability. */
export function hasCapability(number: bigint): boolean {
  return ((effectiveCapabilities() >> number) & 1n) === 1n;
}

/** What this process may do: a bit for each capability, by its number. */
export function effectiveCapabilities(): bigint {
  const match = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "latin1"));
  return BigInt(`0x${match?.[1] ?? "0"}`);
}
