import { BuildError, defined } from "../core/index.ts";

export interface ToolOptions {
  /** Written to the tool's standard input. */
  readonly input?: string;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  /** Each line that the tool prints to its standard error. */
  readonly onLine?: (line: string) => void;
}

const keptLines = 12;
/** Time that a stopped tool gets to unmount and remove what it made. */
const killDelay = 5_000;

/**
 * Runs a Debian tool in a process group of its own and returns what it prints. When the signal aborts, the group is
 * ended and the promise rejects after it is gone. Throws a BuildError that says what the user can do.
 */
export async function runTool(
  command: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<string> {
  const { input = "", cwd, env = process.env, signal, onLine } = options;
  signal?.throwIfAborted();
  const { spawn } = await import("node:child_process");
  const child = spawn(command, args, {
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...env, LC_ALL: "C.UTF-8", DEBIAN_FRONTEND: "noninteractive" },
    ...defined({ cwd }),
  });
  const end = (): void => killGroup(child.pid);
  signal?.addEventListener("abort", end, { once: true });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const lines: string[] = [];
  let rest = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) {
      if (line.trim() === "") continue;
      lines.push(line);
      onLine?.(line);
    }
    lines.splice(0, Math.max(lines.length - 200, 0));
  });
  // A tool that ends early does not read its input; its exit code says why.
  child.stdin.on("error", () => {}).end(input);
  try {
    const code = await new Promise<number | string>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (exitCode, name) => resolve(exitCode ?? name ?? "unknown"));
    });
    signal?.throwIfAborted();
    if (code !== 0) throw toolFailure(command, code, rest === "" ? lines : [...lines, rest]);
    return output;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw missingTool(command, error);
    throw error;
  } finally {
    signal?.removeEventListener("abort", end);
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  const send = (name: NodeJS.Signals): void => {
    try {
      process.kill(-pid, name);
    } catch {
      // The group is gone.
    }
  };
  send("SIGTERM");
  setTimeout(send, killDelay, "SIGKILL").unref();
}

const packageOf: Readonly<Record<string, string>> = {
  mmdebstrap: "mmdebstrap",
  "apt-get": "apt",
  "dpkg-deb": "dpkg",
};

function missingTool(command: string, cause: unknown): BuildError {
  return new BuildError("failed-precondition", `bootstrap needs ${command}, which is not installed`, {
    hint: `on Debian and Ubuntu: apt-get install ${packageOf[command] ?? command}`,
    cause,
  });
}

/** What the tools of Debian say when something outside is wrong. */
const knownFailures: readonly [RegExp, BuildError["code"], string][] = [
  [
    /Unable to locate package|has no installation candidate|Version .* was not found/,
    "not-found",
    "check the names of the packages; if the package lists are missing or old: apt-get update",
  ],
  [
    /NO_PUBKEY|is not signed|EXPKEYSIG|BADSIG|signatures couldn't be verified/,
    "failed-precondition",
    "the suite's signature cannot be checked: install or update debian-archive-keyring",
  ],
  [
    /does not have a Release file|404 +Not Found/,
    "not-found",
    "check the suite; the package lists may be old: apt-get update",
  ],
  [
    /Temporary failure|Could not (resolve|connect)|Failed to fetch|Connection (failed|timed out|refused)|Unable to connect/,
    "unavailable",
    "the Debian mirror of this machine's apt configuration cannot be reached: check the network and apt's proxy settings",
  ],
  [
    /No space left on device/,
    "resource-exhausted",
    "free some space in the cache and the temporary directory",
  ],
];

/** Programs tell an error again at each level: the first one that they know a reason for says it. */
function reasonIn(lines: readonly string[]): string {
  const known = lines.find((line) => knownFailures.some(([pattern]) => pattern.test(line)));
  return known?.replace(/^E: /, "") ?? lines.join("\n");
}

function toolFailure(command: string, code: number | string, lines: readonly string[]): BuildError {
  const told = lines.filter((line) => /^(E:|Err:|error\b|dpkg: error)/i.test(line));
  const tail = (told.length > 0 ? told : lines).slice(-keptLines);
  const [, errorCode = "unknown", hint] =
    knownFailures.find(([pattern]) => pattern.test(tail.join("\n"))) ?? [];
  return new BuildError(
    errorCode,
    `${command} failed (${code})${tail.length > 0 ? `: ${reasonIn(tail)}` : ""}`,
    {
      hint,
      details: { logTail: lines.slice(-keptLines), ...(typeof code === "number" ? { exitCode: code } : {}) },
    },
  );
}
