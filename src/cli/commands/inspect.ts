import { type ContainerStore, inspectContainer, openContainers } from "../../container/index.ts";
import { BuildError, toBuildError } from "../../core/index.ts";
import { inspectImage, readRecord } from "../../image/index.ts";
import type { Store } from "../../store/index.ts";
import type { Call, Command, Flag } from "../command.ts";
import { errorText } from "../error-text.ts";
import { fillTemplate } from "../object-template.ts";
import { platformOf, rootFlag, storeOf } from "./common.ts";

type Kind = "container" | "image";

const platform: Flag = { name: "platform", value: "OS/ARCH", help: "which image of an index" };
const format: Flag = {
  name: "format",
  short: "f",
  value: "FORMAT",
  help: "json, or a template such as '{{.State.Status}}' or '{{json .Config.Env}}'",
};

export const command: Command = {
  name: "inspect",
  summary: "Shows everything about containers and images, as JSON. Of one name, the container comes first.",
  usage: "[OPTIONS] NAME [NAME…]",
  completes: "image",
  flags: [
    format,
    { name: "type", value: "KIND", completes: ["container", "image"], help: "only container, or only image" },
    platform,
    rootFlag,
    {
      name: "size",
      short: "s",
      help: "",
      refused: "'stagewright images' and 'du -v' tell sizes",
      accepted: ["false"],
    },
  ],
  minArgs: 1,
  maxArgs: Number.POSITIVE_INFINITY,
  examples: [
    "stagewright inspect hello",
    "stagewright inspect hello | jq '.[0].Config.Env'",
    "stagewright inspect -f '{{.State.ExitCode}}' web",
  ],
  run: (call) => inspect(call, kindsOf(call.get("type"))),
};

/** `image inspect` */
export const imageInspect: Command = {
  ...command,
  name: "image inspect",
  summary: "Shows everything about images, as JSON.",
  usage: "[OPTIONS] IMAGE [IMAGE…]",
  flags: [format, platform, rootFlag],
  examples: ["stagewright image inspect hello"],
  run: (call) => inspect(call, ["image"]),
};

/** `container inspect` */
export const containerInspect: Command = {
  ...command,
  name: "container inspect",
  summary: "Shows everything about containers, as JSON.",
  usage: "[OPTIONS] CONTAINER [CONTAINER…]",
  completes: "container",
  flags: [format, rootFlag],
  examples: ["stagewright container inspect -f '{{json .NetworkSettings.Ports}}' web"],
  run: (call) => inspect(call, ["container"]),
};

function kindsOf(type: string | undefined): readonly Kind[] {
  if (type === undefined) return ["container", "image"];
  if (type === "container" || type === "image") return [type];
  throw new BuildError("invalid-argument", `--type ${type}: container or image`);
}

async function inspect(call: Call, kinds: readonly Kind[]): Promise<number> {
  const containers = openContainers(storeOf(call).root);
  const found: object[] = [];
  const failures: BuildError[] = [];
  for (const name of call.args)
    try {
      found.push(describe(name, call, kinds, containers));
    } catch (error) {
      failures.push(toBuildError(error));
    }
  const template = call.get("format") ?? "";
  if (template === "" || template === "json")
    process.stdout.write(`${JSON.stringify(found, null, template === "" ? 4 : undefined)}\n`);
  else for (const each of found) process.stdout.write(`${fillTemplate(template, each)}\n`);
  for (const failure of failures) process.stderr.write(errorText(failure));
  return failures.length > 0 ? 1 : 0;
}

function describe(name: string, call: Call, kinds: readonly Kind[], containers: ContainerStore): object {
  const container = kinds.includes("container") ? findContainer(name, kinds, containers) : undefined;
  if (container !== undefined) return inspectContainer(container, containers.state(container));
  const store = storeOf(call);
  const record = findImage(name, kinds, store);
  const named = store.names.list().filter(({ id }) => id === record.id);
  return inspectImage(readRecord(store.content, record, platformOf(call)), named, store);
}

function findImage(name: string, kinds: readonly Kind[], store: Store) {
  try {
    return store.names.resolve(name);
  } catch (error) {
    const { code, hint } = toBuildError(error);
    if (code !== "not-found" || !kinds.includes("container")) throw error;
    throw new BuildError(code, `No such object: ${name}`, { hint, cause: error });
  }
}

function findContainer(name: string, kinds: readonly Kind[], containers: ContainerStore) {
  try {
    return containers.find(name);
  } catch (error) {
    const mayBeImage = kinds.includes("image") && error instanceof BuildError && error.code === "not-found";
    if (!mayBeImage) throw error;
    return undefined;
  }
}
