import type { Command } from "./command.ts";

/** Commands by name, each loaded when it is called: a rebuild must not pay for the others. */
export const commandTable: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ["build", async () => (await import("./commands/build.ts")).command],
  ["run", async () => (await import("./commands/run.ts")).command],
  ["plan", async () => (await import("./commands/plan.ts")).command],
  ["images", async () => (await import("./commands/images.ts")).command],
  ["inspect", async () => (await import("./commands/inspect.ts")).command],
  ["history", async () => (await import("./commands/history.ts")).command],
  ["tag", async () => (await import("./commands/tag.ts")).command],
  ["rmi", async () => (await import("./commands/rmi.ts")).command],
  ["pull", async () => (await import("./commands/pull.ts")).command],
  ["push", async () => (await import("./commands/push.ts")).command],
  ["login", async () => (await import("./commands/login.ts")).command],
  ["logout", async () => (await import("./commands/logout.ts")).command],
  ["save", async () => (await import("./commands/save.ts")).command],
  ["load", async () => (await import("./commands/load.ts")).command],
  ["import", async () => (await import("./commands/import.ts")).command],
  ["bootstrap", async () => (await import("./commands/bootstrap.ts")).command],
  ["du", async () => (await import("./commands/du.ts")).command],
  ["prune", async () => (await import("./commands/prune.ts")).command],
  ["fsck", async () => (await import("./commands/fsck.ts")).command],
  ["doctor", async () => (await import("./commands/doctor.ts")).command],
  // What docker users type as well.
  ["buildx build", async () => (await import("./commands/build.ts")).command],
  ["image build", async () => (await import("./commands/build.ts")).command],
  ["image ls", async () => (await import("./commands/images.ts")).command],
  ["image inspect", async () => (await import("./commands/inspect.ts")).command],
  ["image history", async () => (await import("./commands/history.ts")).command],
  ["image tag", async () => (await import("./commands/tag.ts")).command],
  ["image rm", async () => (await import("./commands/rmi.ts")).command],
  ["image pull", async () => (await import("./commands/pull.ts")).command],
  ["image push", async () => (await import("./commands/push.ts")).command],
  ["image save", async () => (await import("./commands/save.ts")).command],
  ["image load", async () => (await import("./commands/load.ts")).command],
  ["image import", async () => (await import("./commands/import.ts")).command],
  ["container run", async () => (await import("./commands/run.ts")).command],
  ["system df", async () => (await import("./commands/du.ts")).command],
  ["system prune", async () => (await import("./commands/prune.ts")).command],
  ["builder prune", async () => (await import("./commands/prune.ts")).command],
]);

/** The names that the overview shows. */
export const mainCommands: readonly string[] = [...commandTable.keys()].filter((name) => !name.includes(" "));
