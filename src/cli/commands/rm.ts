import { killContainer } from "../../container/index.ts";
import { BuildError } from "../../core/index.ts";
import type { Command } from "../command.ts";
import { rootFlag } from "./common.ts";
import { eachContainer } from "./each-container.ts";

export const command: Command = {
  name: "rm",
  summary: "Removes containers, with what they wrote.",
  usage: "[OPTIONS] CONTAINER [CONTAINER…]",
  completes: "container",
  flags: [
    { name: "force", short: "f", help: "kill those that run; one that is missing is no failure" },
    { name: "volumes", short: "v", help: "accepted for docker's sake: there are no anonymous volumes" },
    rootFlag,
    { name: "link", short: "l", help: "", refused: "containers have no links", accepted: ["false"] },
  ],
  minArgs: 1,
  maxArgs: Number.POSITIVE_INFINITY,
  examples: ["stagewright rm extract", "stagewright rm -f web"],
  run: (call) => {
    const force = call.is("force");
    return eachContainer(
      call,
      async (container, containers) => {
        if (containers.state(container).status === "running") {
          if (!force)
            throw new BuildError(
              "failed-precondition",
              `cannot remove container "/${container.name}": container is running: stop the container before removing or force remove`,
            );
          await killContainer(containers, container);
        }
        await containers.remove(container);
      },
      { missingIsFine: force },
    );
  },
};
