import { readFileSync, writeSync } from "node:fs";
import { BuildError, nearest, toBuildError } from "../core/index.ts";
import { type Command, parseCall } from "./command.ts";
import { commandTable } from "./command-table.ts";
import { errorText } from "./error-text.ts";
import { commandHelp, overview } from "./help.ts";

/** Exit code for a call that makes no sense, as docker has it. */
const usageExitCode = 125;

/**
 * The command line. Sets the process's exit code and lets it end by itself, so that what was written is out.
 *
 * @param argv the arguments behind the program's name
 */
export async function main(argv: readonly string[]): Promise<void> {
  process.stdout.on("error", endQuietlyOnBrokenPipe);
  process.stderr.on("error", endQuietlyOnBrokenPipe);
  try {
    process.exitCode = await dispatch(argv);
  } catch (error) {
    process.exitCode = report(toBuildError(error));
  }
}

async function dispatch(argv: readonly string[]): Promise<number> {
  const [first, second] = argv;
  if (
    first === undefined ||
    first === "--help" ||
    first === "-h" ||
    (first === "help" && second === undefined)
  ) {
    process.stdout.write(await overview());
    return 0;
  }
  if (first === "--version" || first === "-v" || first === "version") {
    process.stdout.write(`stagewright ${version()}\n`);
    return 0;
  }
  if (first === "help") return showHelp(argv.slice(1));
  const { command, rest } = await findCommand(argv);
  const end = command.stopAtArgument ? rest.findIndex((word) => !word.startsWith("-")) : rest.indexOf("--");
  if ((end < 0 ? rest : rest.slice(0, end)).includes("--help")) {
    process.stdout.write(commandHelp(command));
    return 0;
  }
  return command.run(parseCall(command, rest));
}

async function showHelp(words: readonly string[]): Promise<number> {
  const { command } = await findCommand(words);
  process.stdout.write(commandHelp(command));
  return 0;
}

/** Finds a command by its name of one word or two (`image ls`). */
async function findCommand(argv: readonly string[]): Promise<{ command: Command; rest: readonly string[] }> {
  for (const words of [2, 1]) {
    const load = argv.length >= words ? commandTable.get(argv.slice(0, words).join(" ")) : undefined;
    if (load !== undefined) return { command: await load(), rest: argv.slice(words) };
  }
  const near = nearest(argv[0] as string, commandTable.keys());
  throw new BuildError("invalid-argument", `${argv[0]} is not a stagewright command`, {
    hint: near === undefined ? "see 'stagewright --help'" : `did you mean 'stagewright ${near}'?`,
  });
}

function report(error: BuildError): number {
  if (process.env.STAGEWRIGHT_DEBUG) writeSync(2, `${error.stack}\n${causes(error)}`);
  process.stderr.write(errorText(error));
  if (error.code === "canceled") return 130;
  return error.hint?.includes("Usage: stagewright") ? usageExitCode : 1;
}

function causes(error: Error): string {
  const { cause } = error;
  return cause instanceof Error ? `caused by ${cause.stack}\n${causes(cause)}` : "";
}

function endQuietlyOnBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
}

/** From package.json, which is two levels above both the bundle and the sources of the command line. */
function version(): string {
  for (const path of ["../package.json", "../../package.json"]) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));
      if (name === "stagewright") return version;
    } catch {
      // not there: the other one is
    }
  }
  return "unknown";
}
