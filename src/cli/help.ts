import type { Command, Flag } from "./command.ts";
import { commandTable, mainCommands } from "./command-table.ts";

/** `stagewright --help`. */
export async function overview(): Promise<string> {
  const commands = await Promise.all(
    mainCommands.map(async (name) => (await commandTable.get(name)?.()) as Command),
  );
  const rows = commands.map(({ name, summary }) => `  ${name.padEnd(11)} ${summary}`);
  return `Usage: stagewright COMMAND

Builds OCI images from multi-stage Dockerfiles, without a daemon.

Commands:
${rows.join("\n")}

The store is at $STAGEWRIGHT_ROOT, else /var/lib/stagewright for root and the XDG data directory for other users.
'stagewright COMMAND --help' tells more about a command.
`;
}

/** `stagewright COMMAND --help`. */
export function commandHelp(command: Command): string {
  const flags = command.flags.filter((flag) => flag.refused === undefined);
  const width = Math.max(0, ...flags.map((flag) => flagName(flag).length));
  const parts = [`Usage: stagewright ${command.name} ${command.usage}`.trimEnd(), command.summary];
  if (flags.length > 0)
    parts.push(
      `Options:\n${flags.map((flag) => `  ${flagName(flag).padEnd(width)}  ${flag.help}`).join("\n")}`,
    );
  if (command.examples.length > 0)
    parts.push(`Examples:\n${command.examples.map((example) => `  $ ${example}`).join("\n")}`);
  return `${parts.join("\n\n")}\n`;
}

function flagName({ name, short, value, many }: Flag): string {
  const letter = short === undefined ? "   " : `-${short},`;
  return `${letter} --${name}${value === undefined ? "" : ` ${value}${many ? "…" : ""}`}`;
}

/** The commands that begin with a word (`image ls` …), for somebody who wrote that word alone. */
export function groupHelp(word: string): string | undefined {
  const commands = [...commandTable.keys()].filter((name) => name.startsWith(`${word} `));
  return commands.length === 0 ? undefined : `there are: ${commands.join(", ")}`;
}
