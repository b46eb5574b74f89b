import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { BuildError } from "../core/index.ts";
import { findTool, toolPath } from "../stacking/index.ts";

export { findTool, toolPath };

/** The program that makes containers. */
export interface Runtime {
  readonly kind: "crun" | "runc";
  readonly path: string;
  /** `1.8.1` */
  readonly version: string;
}

/**
 * Finds an OCI runtime: `preferred` (a name or a path), else crun, else runc. Throws `failed-precondition` with
 * what to install when there is none.
 */
export async function detectRuntime(preferred?: string): Promise<Runtime> {
  const candidates = preferred === undefined ? ["crun", "runc"] : [preferred];
  for (const name of candidates) {
    const path = findTool(name);
    if (path !== undefined) return { path, ...(await identify(path)) };
  }
  throw new BuildError(
    "failed-precondition",
    `RUN needs an OCI runtime: ${candidates.join(" or ")} is not on PATH`,
    {
      hint: "install one (on Debian and Ubuntu: apt-get install crun); builds without RUN need none",
    },
  );
}

async function identify(path: string): Promise<Pick<Runtime, "kind" | "version">> {
  let output: string;
  try {
    output = (await promisify(execFile)(path, ["--version"], { env: { PATH: toolPath() }, timeout: 10_000 }))
      .stdout;
  } catch (error) {
    throw new BuildError(
      "failed-precondition",
      `${path} --version failed: ${(error as Error).message.trim()}`,
      {
        cause: error,
      },
    );
  }
  const match = /^(crun|runc) version (\S+)/m.exec(output);
  if (match === null)
    throw new BuildError("failed-precondition", `${path} is neither crun nor runc`, {
      hint: "name one of these two as the runtime",
    });
  return { kind: match[1] as Runtime["kind"], version: match[2]! };
}

/** Programs that every step needs, by the name under which they are called. */
export interface Tools {
  readonly setpriv: string;
  readonly unshare: string;
  readonly setsid: string;
  readonly sh: string;
}

/** Finds what makes namespaces and mounts. Throws `failed-precondition` when something is missing. */
export function detectTools(): Tools {
  const need = (name: string): string => {
    const path = findTool(name);
    if (path !== undefined) return path;
    throw new BuildError("failed-precondition", `RUN needs the program ${name}, which is not on PATH`, {
      hint: "it is part of util-linux (on Debian and Ubuntu: apt-get install util-linux mount)",
    });
  };
  need("mount");
  return { setpriv: need("setpriv"), unshare: need("unshare"), setsid: need("setsid"), sh: need("sh") };
}
