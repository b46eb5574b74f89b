import { BuildError, nearest } from "../core/index.ts";

/** What a word of the command line can be, where a shell can complete it: a kind of name, or one of a few words. */
export type Completion = "file" | "directory" | "image" | "container" | "stage" | readonly string[];

/** One flag of a command. A flag with a `value` takes one, shown by that name in the help; without, it is a switch. */
export interface Flag {
  readonly name: string;
  readonly short?: string;
  readonly value?: string;
  /** Its value when it is given without `=`, for flags such as `--sbom`, whose value is never the next word. */
  readonly valueIfAlone?: string;
  /** What its value can be; left out where only the user knows. */
  readonly completes?: Completion;
  /** May be given several times. */
  readonly many?: boolean;
  readonly help: string;
  /** Why it is refused, for flags that users of other builders have and this one does not carry out. */
  readonly refused?: string;
  /** Values of a refused flag that ask for what is done anyway (`--provenance=false`). */
  readonly accepted?: readonly string[];
}

/** The flags and arguments that a command was called with. */
export interface Call {
  readonly args: readonly string[];
  /** Last value of a flag. */
  get(name: string): string | undefined;
  all(name: string): readonly string[];
  is(name: string): boolean;
  /** Whether the flag was given at all, `--flag=false` included. */
  given(name: string): boolean;
}

/** A command of the command line, as data: help and completion are made from it. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  /** What follows the name in the usage line: `[OPTIONS] PATH`. */
  readonly usage: string;
  readonly flags: readonly Flag[];
  readonly minArgs: number;
  readonly maxArgs: number;
  /** Everything from the first argument on belongs to somebody else (`run IMAGE CMD…`). */
  readonly stopAtArgument?: boolean;
  /** What an argument can be; with `stopAtArgument` the first one. */
  readonly completes?: Completion;
  readonly examples: readonly string[];
  /** Exit code of a failure of our own, where other codes are a program's (`run`); 1 when left out. */
  readonly failureCode?: number;
  /** Returns the exit code. */
  readonly run: (call: Call) => Promise<number>;
}

/** Reads a command's arguments the way docker does: `--f v`, `--f=v`, `-f v`, `-fv`, `-ab`, `--switch=false`, `--`. */
export function parseCall(command: Command, argv: readonly string[]): Call {
  const values = new Map<string, string[]>();
  const args: string[] = [];
  const rest = [...argv];

  const store = (flag: Flag, value: string): void => {
    if (flag.refused !== undefined && !flag.accepted?.includes(value))
      throw new BuildError("unimplemented", `--${flag.name} is not supported: ${flag.refused}`);
    const list = values.get(flag.name) ?? [];
    list.push(value);
    values.set(flag.name, list);
  };
  const takeValue = (shown: string): string => {
    const next = rest.shift();
    if (next === undefined) throw new UsageError(command, `flag needs an argument: ${shown}`);
    return next;
  };

  while (rest.length > 0) {
    const word = rest.shift() as string;
    if (word === "--") {
      args.push(...rest.splice(0));
    } else if (word.startsWith("--")) {
      const [name = "", ...parts] = word.slice(2).split("=");
      const flag = command.flags.find((candidate) => candidate.name === name);
      if (flag === undefined) throw unknownFlag(command, name);
      const inline = word.includes("=") ? parts.join("=") : undefined;
      if (flag.value === undefined) store(flag, switchValue(command, name, inline));
      else store(flag, inline ?? flag.valueIfAlone ?? takeValue(`--${name}`));
    } else if (word.startsWith("-") && word !== "-") {
      parseShort(command, word, store, takeValue);
    } else {
      args.push(word);
      if (command.stopAtArgument) args.push(...rest.splice(0));
    }
  }
  checkCount(command, args);
  return {
    args,
    get: (name) => values.get(name)?.at(-1),
    all: (name) => values.get(name) ?? [],
    is: (name) => values.get(name)?.at(-1) === "true",
    given: (name) => values.has(name),
  };
}

function parseShort(
  command: Command,
  word: string,
  store: (flag: Flag, value: string) => void,
  takeValue: (shown: string) => string,
): void {
  for (let at = 1; at < word.length; at++) {
    const letter = word[at] as string;
    const flag = command.flags.find((candidate) => candidate.short === letter);
    if (flag === undefined) throw new UsageError(command, `unknown shorthand flag: '${letter}' in ${word}`);
    if (flag.value === undefined) {
      store(flag, "true");
      continue;
    }
    const attached = word.slice(at + 1).replace(/^=/, "");
    store(flag, attached === "" ? takeValue(`-${letter}`) : attached);
    return;
  }
}

function switchValue(command: Command, name: string, inline: string | undefined): string {
  if (inline === undefined || /^(true|t|1)$/i.test(inline)) return "true";
  if (/^(false|f|0)$/i.test(inline)) return "false";
  throw new UsageError(command, `invalid argument ${JSON.stringify(inline)} for "--${name}": true or false`);
}

function checkCount(command: Command, args: readonly string[]): void {
  if (args.length >= command.minArgs && args.length <= command.maxArgs) return;
  const { minArgs, maxArgs } = command;
  if (maxArgs === 0)
    throw new UsageError(command, `"stagewright ${command.name}" accepts no arguments`, {
      exitCode: wrongCount,
    });
  const count =
    minArgs === maxArgs
      ? `exactly ${minArgs}`
      : args.length < minArgs
        ? `at least ${minArgs}`
        : `at most ${maxArgs}`;
  throw new UsageError(
    command,
    `"stagewright ${command.name}" requires ${count} argument${count.endsWith(" 1") ? "" : "s"}`,
    {
      exitCode: wrongCount,
      ...(args.length < minArgs && command.completes === "directory"
        ? { hint: ". is the current directory" }
        : {}),
    },
  );
}

function unknownFlag(command: Command, name: string): BuildError {
  const near = nearest(
    name,
    command.flags.map((flag) => flag.name),
  );
  return new UsageError(
    command,
    `unknown flag: --${name}`,
    near === undefined ? {} : { hint: `did you mean --${near}?` },
  );
}

/** Exit codes of calls that make no sense: docker has one for flags and another for the number of arguments. */
const wrongFlag = 125;
const wrongCount = 1;

/** The command was called in a way that makes no sense; shown with its usage. */
export class UsageError extends BuildError {
  readonly command: Pick<Command, "name" | "usage">;
  readonly exitCode: number;

  constructor(
    command: Pick<Command, "name" | "usage">,
    message: string,
    { hint, exitCode = wrongFlag }: { readonly hint?: string | undefined; readonly exitCode?: number } = {},
  ) {
    super("invalid-argument", message, { hint });
    this.command = command;
    this.exitCode = exitCode;
  }
}
