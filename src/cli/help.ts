import type { Command, Flag } from "./command.ts";
import { commandGroups, commandTable, mainCommands } from "./command-table.ts";

/** `stagewright --help`. */
export async function overview(): Promise<string> {
  const commands = await Promise.all(
    mainCommands.map(async (name) => (await commandTable.get(name)?.()) as Command),
  );
  const rows = commands.map(({ name, summary }) => `  ${name.padEnd(11)} ${summary}`);
  const groups = [...commandGroups].map(([name, { summary }]) => `  ${name.padEnd(11)} ${summary}`);
  return `Usage: stagewright COMMAND

Builds OCI images from multi-stage Dockerfiles, without a daemon.

Commands:
${rows.join("\n")}

Groups, for those who type what docker has:
${groups.join("\n")}

Options:
  -h, --help     This, or what a command does and takes
  -v, --version  The version of this program

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

/** `stagewright GROUP --help`; undefined for a word that is no group. */
export async function groupHelp(word: string): Promise<string | undefined> {
  const group = commandGroups.get(word);
  if (group === undefined) return undefined;
  const rows = await Promise.all(
    Object.keys(group.commands).map(async (name) => {
      const command = await commandTable.get(`${word} ${name}`)?.();
      return `  ${name.padEnd(11)} ${command?.summary}`;
    }),
  );
  return `Usage: stagewright ${word} COMMAND\n\n${group.summary}.\n\nCommands:\n${rows.join("\n")}\n`;
}
