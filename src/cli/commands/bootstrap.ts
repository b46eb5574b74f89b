import { defined, familiarReference, parseReference } from "../../core/index.ts";
import { bootstrap } from "../../source/index.ts";
import type { Command } from "../command.ts";
import { rootFlag, storeOf } from "./common.ts";
import { leased } from "./leased.ts";

export const command: Command = {
  name: "bootstrap",
  summary: "Makes a base image from Debian's signed package archive; no container registry is needed.",
  usage: "[OPTIONS] BASE",
  flags: [
    { name: "include", value: "PACKAGES", many: true, help: "more Debian packages, separated by commas" },
    { name: "name", value: "NAME", help: "name of the image (default: that of the base)" },
    { name: "refresh", help: "make it anew, with today's packages" },
    { name: "quiet", short: "q", help: "print nothing but the image id" },
    rootFlag,
  ],
  minArgs: 1,
  maxArgs: 1,
  examples: [
    "stagewright bootstrap debian:bookworm-slim",
    "stagewright bootstrap debian:bookworm-slim --include gcc,libc6-dev --name gcc:12",
    "stagewright bootstrap busybox",
  ],
  run: async (call) => {
    const store = storeOf(call);
    const name = call.get("name");
    await leased(store, async (signal) => {
      const made = await bootstrap(call.args[0] as string, store, {
        include: call
          .all("include")
          .flatMap((list) => list.split(","))
          .filter((item) => item !== ""),
        refresh: call.is("refresh"),
        signal,
        ...defined({ name }),
        ...(call.is("quiet") ? {} : { onLine: (line: string) => process.stderr.write(`${line}\n`) }),
      });
      const shown = made.record.name === undefined ? "" : familiarReference(parseReference(made.record.name));
      if (!call.is("quiet"))
        process.stderr.write(
          `${shown}: ${made.recipe}${made.cached ? ", made earlier" : ""}\nA stand-in made from Debian's packages, not the image of that name in a registry.\n`,
        );
      process.stdout.write(`${made.record.id}\n`);
    });
    return 0;
  },
};
