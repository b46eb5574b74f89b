import {
  type Container,
  type ContainerState,
  type ContainerStore,
  openContainers,
  portText,
} from "../../container/index.ts";
import type { Call, Command } from "../command.ts";
import { ago, shortId, textTable } from "../text-table.ts";
import { rootFlag, storeOf } from "./common.ts";

export const command: Command = {
  name: "ps",
  summary: "Lists the containers that run.",
  usage: "[OPTIONS]",
  flags: [
    { name: "all", short: "a", help: "also those that do not run" },
    { name: "quiet", short: "q", help: "only ids" },
    { name: "no-trunc", help: "ids and commands in full" },
    { name: "latest", short: "l", help: "only the newest, running or not" },
    rootFlag,
  ],
  minArgs: 0,
  maxArgs: 0,
  examples: ["stagewright ps", "stagewright ps -aq"],
  run: async (call) => {
    process.stdout.write(list(call, openContainers(storeOf(call).root)));
    return 0;
  },
};

const longestCommand = 20;

function list(call: Call, containers: ContainerStore): string {
  const full = call.is("no-trunc");
  const all = containers.list().map((container) => ({ container, state: containers.state(container) }));
  const rows = call.is("latest")
    ? all.slice(0, 1)
    : all.filter(({ state }) => call.is("all") || state.status === "running");
  const id = (container: Container): string => (full ? container.id : shortId(container.id));
  if (call.is("quiet")) return rows.map(({ container }) => `${id(container)}\n`).join("");
  return textTable(
    ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"],
    rows.map(({ container, state }) => [
      id(container),
      container.image,
      commandText(container.args, full),
      ago(container.created),
      statusText(state),
      portsText(container, state),
      container.name,
    ]),
  );
}

function commandText(args: readonly string[], full: boolean): string {
  const text = args.join(" ").replace(/\s+/g, " ");
  const shown = full || text.length <= longestCommand ? text : `${text.slice(0, longestCommand - 1)}…`;
  return JSON.stringify(shown);
}

/** `Up 3 minutes`, `Exited (0) 2 hours ago`. */
export function statusText(state: ContainerState): string {
  if (state.status === "created") return "Created";
  if (state.status === "running") return `Up ${ago(state.started).replace(/ ago$/, "")}`;
  return `Exited (${state.exitCode}) ${ago(state.finished)}`;
}

function portsText(container: Container, state: ContainerState): string {
  if (state.status !== "running") return "";
  const published = state.ports.map(portText);
  const covered = new Set(state.ports.map(({ containerPort, protocol }) => `${containerPort}/${protocol}`));
  return [...published, ...container.exposed.filter((port) => !covered.has(port))].join(", ");
}
