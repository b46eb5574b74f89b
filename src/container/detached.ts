import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { BuildError, type ErrorCode, workerFile } from "../core/index.ts";
import type { Container } from "./types.ts";

/** What a supervisor says on descriptor 3, one line, when the container runs or cannot. */
export type StartReport =
  | { readonly started: true }
  | { readonly exitCode: number }
  | { readonly error: { readonly code: ErrorCode; readonly message: string; readonly hint?: string } };

const entry = workerFile("supervisor-worker", import.meta.url);

/**
 * Starts a container under a process of its own, which outlives this one: it writes the log and the exit status, and cleans
 * up. Returns once the program runs, or has ended with the code that is returned. Throws what kept it from starting.
 */
export async function startDetached(root: string, container: Container): Promise<number | undefined> {
  const nothing = openSync("/dev/null", "r+");
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  const child = spawn(process.execPath, [entry.pathname, root, container.id], {
    stdio: [nothing, nothing, nothing, "pipe"],
    detached: true,
    cwd: "/",
    env,
  });
  closeSync(nothing);
  const chunks: Buffer[] = [];
  for await (const chunk of child.stdio[3] as NodeJS.ReadableStream) chunks.push(chunk as Buffer);
  child.unref();
  const text = Buffer.concat(chunks).toString();
  if (text === "") throw new BuildError("internal", "the process that was to run the container has died");
  const report = JSON.parse(text) as StartReport;
  if ("error" in report) {
    const { code, message, hint } = report.error;
    throw new BuildError(code, message, { hint });
  }
  return "exitCode" in report ? report.exitCode : undefined;
}
