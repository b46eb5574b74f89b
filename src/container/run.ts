import { randomBytes } from "node:crypto";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../core/index.ts";
import type { Executor, Mount, ProcessSpec } from "../executor/index.ts";
import type { ContainerConfig } from "../image/index.ts";
import type { LayerStore } from "../layer/index.ts";
import type { Snapshot } from "../snapshot/index.ts";
import { prepareVolume, type Volume } from "./volume.ts";

export interface RunOptions {
  readonly snapshot: Snapshot;
  /** Defaults from the image. */
  readonly config: ContainerConfig;
  /** Replaces the image's CMD when not empty. */
  readonly command: readonly string[];
  /** Replaces the image's ENTRYPOINT, and drops its CMD; an empty string means no entrypoint. */
  readonly entrypoint?: string;
  /** `K=V`, or `K` to pass on the caller's own value. */
  readonly env?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly hostname?: string;
  readonly network?: ProcessSpec["network"];
  readonly volumes?: readonly Volume[];
  /** Hands the caller's stdin through; else it is empty. */
  readonly interactive?: boolean;
  /** Gives the process a terminal of its own. */
  readonly tty?: boolean;
}

export interface RunDependencies {
  readonly layers: Pick<LayerStore, "directories">;
  readonly executor: Executor;
  readonly signal: AbortSignal;
}

const forwarded = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;
/** Asked to end this often, the caller means it. */
const patience = 3;

/**
 * Runs a program in a container made from an image, in the foreground, and returns its exit code. Input and output
 * are the caller's own; signals are passed on, the third request to end kills. What the program writes is thrown
 * away with the container.
 */
export async function runContainer(options: RunOptions, dependencies: RunDependencies): Promise<number> {
  const { executor, layers, signal } = dependencies;
  const hostname = options.hostname ?? randomBytes(6).toString("hex");
  const args = commandLine(options);
  const lowers = await layers.directories(options.snapshot, signal);
  const stop = { release: () => {} };
  try {
    const { code } = await executor.run(
      { lowers },
      {
        args,
        env: environment(options, hostname),
        cwd: options.workdir ?? (options.config.WorkingDir || "/"),
        user: options.user ?? options.config.User ?? "",
        network: options.network ?? "default",
        hostname,
      },
      [hostnameFile(executor, hostname), ...(options.volumes ?? []).map(volumeMount)],
      {
        stdin: options.interactive ? "inherit" : "ignore",
        stdout: "inherit",
        tty: options.tty === true,
        onStart: (forward) => {
          stop.release = forwardSignals(forward, () => executor.kill());
        },
      },
      signal,
    );
    return code;
  } finally {
    stop.release();
  }
}

function commandLine({ config, command, entrypoint }: RunOptions): string[] {
  const ownEntrypoint =
    entrypoint === undefined ? (config.Entrypoint ?? []) : entrypoint === "" ? [] : [entrypoint];
  const defaults = entrypoint === undefined ? (config.Cmd ?? []) : [];
  const args = [...ownEntrypoint, ...(command.length > 0 ? command : defaults)];
  if (args.length > 0) return args;
  throw new BuildError("invalid-argument", "no command to run", {
    hint: "the image has neither ENTRYPOINT nor CMD: name a program after the image",
  });
}

/** Docker's own variables, then the image's, then the caller's; of a name the last one counts. */
function environment({ config, env = [], tty }: RunOptions, hostname: string): string[] {
  const values = new Map<string, string>([["HOSTNAME", hostname]]);
  if (tty) values.set("TERM", "xterm");
  for (const entry of [...(config.Env ?? []), ...env]) {
    const equals = entry.indexOf("=");
    if (equals === 0 || entry === "")
      throw new BuildError("invalid-argument", `invalid environment variable ${JSON.stringify(entry)}`, {
        hint: "a variable reads like NAME=value",
      });
    if (equals > 0) values.set(entry.slice(0, equals), entry.slice(equals + 1));
    else {
      const own = process.env[entry];
      if (own === undefined) values.delete(entry);
      else values.set(entry, own);
    }
  }
  return [...values].map(([name, value]) => `${name}=${value}`);
}

function hostnameFile(executor: Executor, hostname: string): Mount {
  const source = join(executor.createUpper(), "hostname");
  writeFileSync(source, `${hostname}\n`);
  chmodSync(source, 0o644);
  return { type: "bind", source, target: "/etc/hostname", readonly: true };
}

function volumeMount(volume: Volume): Mount {
  return { type: "bind", ...prepareVolume(volume) };
}

function forwardSignals(forward: (signal: NodeJS.Signals) => void, kill: () => void): () => void {
  let requests = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    const asksToEnd = signal === "SIGINT" || signal === "SIGTERM";
    if (asksToEnd && ++requests >= patience) kill();
    else forward(signal);
  };
  for (const signal of forwarded) process.on(signal, onSignal);
  return () => {
    for (const signal of forwarded) process.off(signal, onSignal);
  };
}
