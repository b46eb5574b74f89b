import { type StdioOptions, spawnSync } from "node:child_process";
import { join } from "node:path";

/** The checkout. */
export const root = join(import.meta.dirname, "..");

/**
 * Runs a command of this checkout with its output shown; ends this process with its exit code when it fails, or when
 * it takes longer than `timeout` milliseconds.
 */
export function run(title: string, command: string, args: readonly string[], timeout = 0): void {
  process.stdout.write(`\n== ${title}\n`);
  const stdio: StdioOptions = ["ignore", "inherit", "inherit"];
  const { status, error } = spawnSync(command, args, { cwd: root, stdio, timeout });
  if (error !== undefined) process.stderr.write(`${command}: ${error.message}\n`);
  if (status !== 0) process.exit(status ?? 1);
}

/** Path of a program that npm installed here. */
export function installed(program: string): string {
  return join(root, "node_modules", ".bin", program);
}
