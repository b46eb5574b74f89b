import type { Command, Completion, Flag } from "../command.ts";
import { commandGroups, commandTable, mainCommands } from "../command-table.ts";
import { containerNames, imageNames, stageNames } from "./names.ts";
import type { Candidate, PartialCall } from "./types.ts";

/** What the last word can become. For paths the shell knows best. */
type Candidates =
  | { readonly kind: "words"; readonly words: readonly Candidate[] }
  | { readonly kind: "files" | "directories" };

/**
 * What the last of `words` can become.
 *
 * @param words the command line behind the program's name, up to the cursor; the last word may be empty
 */
async function candidatesFor(words: readonly string[]): Promise<Candidates> {
  const current = words.at(-1) ?? "";
  const found = await allCandidates(words.slice(0, -1), current);
  if (found.kind !== "words") return found;
  const seen = new Set<string>();
  const fitting = found.words.filter(
    ({ value }) => value.startsWith(current) && !seen.has(value) && seen.add(value),
  );
  return { kind: "words", words: fitting };
}

const none: Candidates = { kind: "words", words: [] };

async function allCandidates(before: readonly string[], current: string): Promise<Candidates> {
  const [first = "", ...more] = before;
  if (before.length === 0) return { kind: "words", words: await mainWords() };
  if (first === "help") return more.length === 0 ? { kind: "words", words: await mainWords() } : none;
  const group = commandGroups.get(first);
  if (group !== undefined && more.length === 0)
    return { kind: "words", words: await summaries(Object.keys(group.commands), `${first} `) };
  for (const count of [2, 1]) {
    const load = before.length >= count ? commandTable.get(before.slice(0, count).join(" ")) : undefined;
    if (load !== undefined) return ofCommand(await load(), before.slice(count), current);
  }
  return none;
}

async function mainWords(): Promise<Candidate[]> {
  const groups = [...commandGroups].map(([value, { summary }]) => ({ value, description: summary }));
  return [
    ...(await summaries(mainCommands, "")),
    ...groups,
    { value: "help", description: "Tells more about a command." },
    { value: "--help", description: "Lists the commands." },
    { value: "--version", description: "The version." },
  ];
}

function summaries(names: readonly string[], prefix: string): Promise<Candidate[]> {
  return Promise.all(
    names.map(async (value) => {
      const command = await commandTable.get(`${prefix}${value}`)?.();
      return { value, description: command?.summary ?? "" };
    }),
  );
}

async function ofCommand(command: Command, before: readonly string[], current: string): Promise<Candidates> {
  const call = readPartly(command, before);
  if (call.open !== undefined) return complete(call.open.completes, call);
  if (call.onlyArguments && command.stopAtArgument && call.args.length > 0) return { kind: "files" };
  const inline = /^--([^=]+)=/.exec(current);
  if (inline !== null && !call.onlyArguments) {
    const flag = command.flags.find(({ name }) => name === inline[1]);
    const found = await complete(
      flag?.completes ?? (flag?.value === undefined ? ["true", "false"] : []),
      call,
    );
    return found.kind === "words" ? { ...found, words: found.words.map(behind(inline[0])) } : found;
  }
  if (current.startsWith("-") && !call.onlyArguments)
    return { kind: "words", words: flagWords(command, call) };
  if (call.args.length >= command.maxArgs) return none;
  return complete(command.completes, call);
}

function behind(prefix: string): (candidate: Candidate) => Candidate {
  return ({ value, description }) => ({ value: prefix + value, description });
}

/** Flags that are carried out, those that may not be repeated only once. */
function flagWords({ flags }: Command, { values }: PartialCall): Candidate[] {
  const left = flags.filter(
    ({ name, refused, many }) => refused === undefined && (many || !values.has(name)),
  );
  return [
    ...left.map(({ name, help }) => ({ value: `--${name}`, description: help })),
    { value: "--help", description: "Tells about the command." },
  ];
}

/** Reads what is complete of a command line as `parseCall` does, without minding mistakes. */
function readPartly({ flags, stopAtArgument }: Command, before: readonly string[]): PartialCall {
  const args: string[] = [];
  const values = new Map<string, string>();
  let open: Flag | undefined;
  let onlyArguments = false;
  for (const word of before) {
    if (open !== undefined) {
      values.set(open.name, word);
      open = undefined;
    } else if (onlyArguments || word === "-" || !word.startsWith("-")) {
      args.push(word);
      onlyArguments ||= stopAtArgument === true;
    } else if (word === "--") onlyArguments = true;
    else if (word.startsWith("--")) {
      const [name = "", value] = word.slice(2).split(/=(.*)/s);
      const flag = flags.find((one) => one.name === name);
      values.set(name, value ?? "");
      if (value === undefined && flag?.value !== undefined && flag.valueIfAlone === undefined) open = flag;
    } else open = openShort(word, flags, values);
  }
  return { args, values, open, onlyArguments };
}

/** `-it`, `-fFILE`, or `-f`, whose value is the next word. */
function openShort(word: string, flags: readonly Flag[], values: Map<string, string>): Flag | undefined {
  for (let at = 1; at < word.length; at++) {
    const flag = flags.find(({ short }) => short === word[at]);
    if (flag === undefined) return undefined;
    const attached = word.slice(at + 1).replace(/^=/, "");
    values.set(flag.name, attached);
    if (flag.value !== undefined) return attached === "" ? flag : undefined;
  }
  return undefined;
}

async function complete(completion: Completion | undefined, call: PartialCall): Promise<Candidates> {
  switch (completion) {
    case undefined:
      return none;
    case "file":
      return { kind: "files" };
    case "directory":
      return { kind: "directories" };
    case "image":
      return { kind: "words", words: imageNames(call) };
    case "container":
      return { kind: "words", words: await containerNames(call) };
    case "stage":
      return { kind: "words", words: stageNames(call) };
    default:
      return { kind: "words", words: completion.map((value) => ({ value, description: "" })) };
  }
}

/**
 * What the scripts in `completions/` ask for, as `stagewright completion candidates -- WORD…`: a line a candidate with
 * its description behind a tab, or `:files` or `:directories`. What fits is worked out here; a script only hands
 * the words over and offers what comes back.
 */
export async function candidateLines(words: readonly string[]): Promise<string> {
  const found = await candidatesFor(words);
  if (found.kind !== "words") return `:${found.kind}\n`;
  return found.words.map(({ value, description }) => `${value}\t${description}\n`).join("");
}
