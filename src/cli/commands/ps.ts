import {
  type Container,
  type ContainerState,
  type ContainerStore,
  openContainers,
  portText,
} from "../../container/index.ts";
import { BuildError } from "../../core/index.ts";
import type { Call, Command } from "../command.ts";
import { formatRows } from "../row-format.ts";
import { ago, createdAt, shortId } from "../text-table.ts";
import { rootFlag, storeOf } from "./common.ts";
import { containerFilter, wantsEnded } from "./container-filter.ts";

export const command: Command = {
  name: "ps",
  summary: "Lists the containers that run.",
  usage: "[OPTIONS]",
  flags: [
    { name: "all", short: "a", help: "also those that do not run" },
    { name: "quiet", short: "q", help: "only ids" },
    {
      name: "filter",
      short: "f",
      value: "KEY=VALUE",
      many: true,
      help: "only some: name=, status=, ancestor=, id=, label=, exited=, publish=, before=, since=",
    },
    { name: "format", value: "FORMAT", help: "table, json, or a template such as '{{.Names}} {{.Ports}}'" },
    { name: "no-trunc", help: "ids and commands in full" },
    { name: "latest", short: "l", help: "only the newest, running or not" },
    { name: "last", short: "n", value: "N", help: "only the N newest, running or not" },
    {
      name: "size",
      short: "s",
      help: "",
      refused: "'stagewright du' says what the store takes",
      accepted: ["false"],
    },
    rootFlag,
  ],
  minArgs: 0,
  maxArgs: 0,
  examples: [
    "stagewright ps",
    "stagewright ps -aq",
    "stagewright ps --filter status=exited --format '{{.Names}}'",
  ],
  run: async (call) => {
    process.stdout.write(list(call, openContainers(storeOf(call).root)));
    return 0;
  },
};

const longestCommand = 20;

const titles = {
  ID: "CONTAINER ID",
  Image: "IMAGE",
  Command: "COMMAND",
  CreatedAt: "CREATED AT",
  RunningFor: "CREATED",
  Ports: "PORTS",
  State: "STATE",
  Status: "STATUS",
  Names: "NAMES",
  Labels: "LABELS",
  Networks: "NETWORKS",
};
const usual = "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

function list(call: Call, containers: ContainerStore): string {
  const full = call.is("no-trunc");
  const filters = call.all("filter");
  const isWanted = containerFilter(filters, containers);
  const ended = call.is("all") || wantsEnded(filters);
  const all = containers
    .list()
    .map((container) => ({ container, state: containers.state(container) }))
    .filter(isWanted);
  const newest = call.is("latest") ? 1 : lastOf(call);
  const listed =
    newest !== undefined
      ? all.slice(0, newest)
      : all.filter(({ state }) => ended || state.status === "running");
  const rows = listed.map(({ container, state }) => ({
    ID: full ? container.id : shortId(container.id),
    Image: container.image,
    Command: commandText(container.args, full),
    CreatedAt: createdAt(new Date(container.created).toISOString()),
    RunningFor: ago(container.created),
    Ports: portsText(container, state),
    State: state.status,
    Status: statusText(state),
    Names: container.name,
    Labels: Object.entries(container.labels)
      .map(([name, value]) => `${name}=${value}`)
      .join(","),
    Networks: container.network === "isolated" ? "bridge" : container.network,
  }));
  const format = call.is("quiet") ? "{{.ID}}" : (call.get("format") ?? "table");
  return formatRows(format === "table" ? usual : format, titles, rows);
}

/** `--last`; all of them with -1, as docker has it. */
function lastOf(call: Call): number | undefined {
  const text = call.get("last");
  if (text === undefined || text === "-1") return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new BuildError("invalid-argument", `--last ${text}: a number of containers`);
}

function commandText(args: readonly string[], full: boolean): string {
  const text = args.join(" ").replace(/\s+/g, " ");
  const shown = full || text.length <= longestCommand ? text : `${text.slice(0, longestCommand - 1)}…`;
  return JSON.stringify(shown);
}

/** `Up 3 minutes`, `Exited (0) 2 hours ago`. */
function statusText(state: ContainerState): string {
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
