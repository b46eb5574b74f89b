import type { Command } from "./command.ts";

type LoadCommand = () => Promise<Command>;

/** Docker's way to sort commands by what they are about: `image ls`, `container run`. */
export interface CommandGroup {
  readonly summary: string;
  /** What each word does here: a command by its name, or one of the group's own. */
  readonly commands: Readonly<Record<string, string | LoadCommand>>;
}

/** Each command is loaded when it is called: a rebuild must not pay for the others. */
const commands: Readonly<Record<string, LoadCommand>> = {
  build: async () => (await import("./commands/build.ts")).command,
  run: async () => (await import("./commands/run.ts")).command,
  create: async () => (await import("./commands/create.ts")).command,
  start: async () => (await import("./commands/start.ts")).command,
  ps: async () => (await import("./commands/ps.ts")).command,
  logs: async () => (await import("./commands/logs.ts")).command,
  stop: async () => (await import("./commands/stop.ts")).command,
  kill: async () => (await import("./commands/kill.ts")).command,
  wait: async () => (await import("./commands/wait.ts")).command,
  cp: async () => (await import("./commands/cp.ts")).command,
  rm: async () => (await import("./commands/rm.ts")).command,
  plan: async () => (await import("./commands/plan.ts")).command,
  check: async () => (await import("./commands/check.ts")).command,
  convert: async () => (await import("./commands/convert.ts")).command,
  images: async () => (await import("./commands/images.ts")).command,
  inspect: async () => (await import("./commands/inspect.ts")).command,
  history: async () => (await import("./commands/history.ts")).command,
  tag: async () => (await import("./commands/tag.ts")).command,
  rmi: async () => (await import("./commands/rmi.ts")).command,
  pull: async () => (await import("./commands/pull.ts")).command,
  push: async () => (await import("./commands/push.ts")).command,
  login: async () => (await import("./commands/login.ts")).command,
  logout: async () => (await import("./commands/logout.ts")).command,
  save: async () => (await import("./commands/save.ts")).command,
  load: async () => (await import("./commands/load.ts")).command,
  import: async () => (await import("./commands/import.ts")).command,
  bootstrap: async () => (await import("./commands/bootstrap.ts")).command,
  du: async () => (await import("./commands/du.ts")).command,
  prune: async () => (await import("./commands/prune.ts")).command,
  fsck: async () => (await import("./commands/fsck.ts")).command,
  completion: async () => (await import("./commands/completion.ts")).command,
  doctor: async () => (await import("./commands/doctor.ts")).command,
};

const buildxBuild: LoadCommand = async () => (await import("./commands/build.ts")).buildxBuild;
const cachePrune: LoadCommand = async () => (await import("./commands/prune.ts")).cachePrune;

/** What docker users type as well, so that `alias docker=stagewright` works. */
export const commandGroups: ReadonlyMap<string, CommandGroup> = new Map<string, CommandGroup>([
  [
    "image",
    {
      summary: "Images of the local store",
      commands: {
        build: "build",
        ls: "images",
        list: "images",
        inspect: async () => (await import("./commands/inspect.ts")).imageInspect,
        history: "history",
        tag: "tag",
        rm: "rmi",
        remove: "rmi",
        pull: "pull",
        push: "push",
        save: "save",
        load: "load",
        import: "import",
        prune: async () => (await import("./commands/prune.ts")).imagePrune,
      },
    },
  ],
  [
    "container",
    {
      summary: "Containers",
      commands: {
        run: "run",
        create: "create",
        start: "start",
        ls: "ps",
        list: "ps",
        ps: "ps",
        logs: "logs",
        stop: "stop",
        kill: "kill",
        wait: "wait",
        cp: "cp",
        rm: "rm",
        remove: "rm",
        inspect: async () => (await import("./commands/inspect.ts")).containerInspect,
        prune: async () => (await import("./commands/container-prune.ts")).containerPrune,
      },
    },
  ],
  ["builder", { summary: "Builds and their cache", commands: { build: "build", prune: cachePrune } }],
  [
    "buildx",
    {
      summary: "Builds and their cache",
      commands: { build: buildxBuild, b: buildxBuild, du: "du", prune: cachePrune },
    },
  ],
  ["system", { summary: "The whole store", commands: { df: "du", prune: "prune" } }],
]);

/** Commands by name; those of groups have two words. */
export const commandTable: ReadonlyMap<string, LoadCommand> = new Map([
  ...Object.entries(commands),
  ...[...commandGroups].flatMap(([group, { commands: members }]) =>
    Object.entries(members).map(
      ([word, member]) => [`${group} ${word}`, typeof member === "string" ? named(member) : member] as const,
    ),
  ),
]);

/** The names that the overview shows. */
export const mainCommands: readonly string[] = Object.keys(commands);

function named(name: string): LoadCommand {
  const load = commands[name];
  if (load === undefined) throw new Error(`a group refers to ${name}, which is no command`);
  return load;
}
