import { readFileSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { BuildError, nearest, toBuildError } from "../core/index.ts";
import { type Command, parseCall, UsageError } from "./command.ts";
import { commandGroups, commandTable } from "./command-table.ts";
import { adviceForDockerCommand, adviceForGlobalFlag } from "./docker-words.ts";
import { errorText } from "./error-text.ts";
import { commandHelp, groupHelp, overview } from "./help.ts";
import { interruptedBy } from "./interruption.ts";

/**
 * The command line. Sets the process's exit code and lets it end by itself, so that what was written is out.
 *
 * @param argv the arguments behind the program's name
 */
export async function main(argv: readonly string[]): Promise<void> {
  process.stdout.on("error", endQuietlyOnBrokenPipe);
  process.stderr.on("error", endQuietlyOnBrokenPipe);
  process.on("uncaughtException", failAtOnce);
  const failSilence = () =>
    failAtOnce(new BuildError("internal", "nothing is left to do, and the command has not ended"));
  process.once("beforeExit", failSilence);
  try {
    process.exitCode = await dispatch(argv);
  } catch (error) {
    process.exitCode = report(toBuildError(error));
  }
  process.off("beforeExit", failSilence);
}

/**
 * A failure that nobody waits for, unhandled rejections included: nothing is known of the state of the program, so it
 * ends. The store is made for that.
 */
function failAtOnce(error: unknown): void {
  process.exit(report(toBuildError(error)));
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
  if (first === "completion" && second === "candidates") {
    const { candidateLines } = await import("./completion/candidates.ts");
    process.stdout.write(await candidateLines(argv.slice(argv[2] === "--" ? 3 : 2)));
    return 0;
  }
  if (first === "help") return showHelp(argv.slice(1));
  if (second === undefined || second === "--help" || second === "-h") {
    const help = commandGroups.has(first) ? await groupHelp(first) : undefined;
    if (help !== undefined) {
      process.stdout.write(help);
      return 0;
    }
  }
  const { command, rest } = await findCommand(argv);
  const end = command.stopAtArgument ? rest.findIndex((word) => !word.startsWith("-")) : rest.indexOf("--");
  const isHelp = (word: string) =>
    word === "--help" || (word === "-h" && command.flags.every(({ short }) => short !== "h"));
  if ((end < 0 ? rest : rest.slice(0, end)).some(isHelp)) {
    process.stdout.write(commandHelp(command));
    return 0;
  }
  try {
    return await command.run(parseCall(command, rest));
  } catch (error) {
    return report(toBuildError(error), command.failureCode);
  }
}

async function showHelp(words: readonly string[]): Promise<number> {
  const group = words.length === 1 ? await groupHelp(words[0] as string) : undefined;
  process.stdout.write(group ?? commandHelp((await findCommand(words)).command));
  return 0;
}

/** Finds a command by its name of one word or two (`image ls`); it goes by the name that it was called by. */
async function findCommand(argv: readonly string[]): Promise<{ command: Command; rest: readonly string[] }> {
  for (const words of [2, 1]) {
    const name = argv.slice(0, words).join(" ");
    const load = argv.length >= words ? commandTable.get(name) : undefined;
    if (load !== undefined) return { command: { ...(await load()), name }, rest: argv.slice(words) };
  }
  const [first = "", second = ""] = argv;
  if (first.startsWith("-"))
    throw new BuildError("invalid-argument", `unknown flag: ${first}`, { hint: adviceForGlobalFlag(first) });
  const isGroup = commandGroups.has(first);
  const unknown = isGroup ? `${first} ${second}` : first;
  const group = isGroup ? `${first} ` : "";
  const words = [...commandTable.keys()]
    .filter((name) => name.startsWith(group))
    .map((name) => name.slice(group.length));
  const near = nearest(isGroup ? second : first, words);
  const guess =
    near === undefined ? `see 'stagewright ${group}--help'` : `did you mean 'stagewright ${group}${near}'?`;
  throw new BuildError("invalid-argument", `${unknown} is not a stagewright command`, {
    hint: adviceForDockerCommand(argv) ?? guess,
  });
}

function report(error: BuildError, failureCode = 1): number {
  if (process.env.STAGEWRIGHT_DEBUG) writeSync(2, `${error.stack}\n${causes(error)}`);
  process.stderr.write(errorText(error));
  if (error instanceof UsageError) {
    const { name, usage } = error.command;
    process.stderr.write(`\nUsage: stagewright ${name} ${usage}\nSee 'stagewright ${name} --help'.\n`);
    return error.exitCode;
  }
  const signal = interruptedBy();
  if (signal !== undefined || error.code === "canceled") return 128 + constants.signals[signal ?? "SIGINT"];
  return failureCode;
}

function causes(error: Error): string {
  const { cause } = error;
  return cause instanceof Error ? `caused by ${cause.stack}\n${causes(cause)}` : "";
}

/** The reader went away (`| head -1`): ends as a program does that SIGPIPE kills. */
function endQuietlyOnBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit(128 + constants.signals.SIGPIPE);
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
