import type { Container, ContainerState, ContainerStore } from "../../container/index.ts";
import { type FilterTest, filterOf, hasLabel, wrongFilter } from "./filter.ts";

/** A container with how far it has come. */
export interface ListedContainer {
  readonly container: Container;
  readonly state: ContainerState;
}

type Test = FilterTest<ListedContainer>;

const statuses = ["created", "running", "exited"];
const otherStatuses = ["paused", "restarting", "removing", "dead"];

/** What `ps --filter` lets through. */
export function containerFilter(texts: readonly string[], containers: ContainerStore): Test {
  return filterOf(texts, (key, value, text) => testOf(key, value, text, containers));
}

/** Whether a filter asks for containers that do not run, which are then listed without `--all`. */
export function wantsEnded(texts: readonly string[]): boolean {
  return texts.some((text) => /^(status|exited)=/.test(text));
}

function testOf(key: string, value: string, text: string, containers: ContainerStore): Test {
  switch (key) {
    case "id":
      return ({ container }) => container.id.startsWith(value);
    case "name": {
      const pattern = patternOf(value, text);
      return ({ container }) => pattern.test(container.name) || pattern.test(`/${container.name}`);
    }
    case "status":
      if (!statuses.includes(value) && !otherStatuses.includes(value))
        throw wrongFilter(text, statuses.map((status) => `status=${status}`).join(", "));
      return ({ state }) => state.status === value;
    case "exited":
      if (!/^\d{1,3}$/.test(value)) throw wrongFilter(text, "exited=CODE");
      return ({ state }) => state.status === "exited" && state.exitCode === Number(value);
    case "ancestor":
      return ({ container }) => isAncestor(container, value);
    case "label":
      return ({ container }) => hasLabel(container.labels, value);
    case "publish":
      return ({ container }) =>
        container.ports.some(
          ({ hostPort, protocol }) => value === `${hostPort}` || value === `${hostPort}/${protocol}`,
        );
    case "before":
    case "since": {
      const other = containers.find(value).created;
      return ({ container: { created } }) => (key === "before" ? created < other : created > other);
    }
    default:
      throw wrongFilter(text, "ancestor, before, exited, id, label, name, publish, since or status");
  }
}

function isAncestor({ image, imageId, manifest }: Container, value: string): boolean {
  const hex = value.replace(/^sha256:/, "");
  if (image === value || image === `${value}:latest` || `${image}:latest` === value) return true;
  return (
    /^[0-9a-f]{4,64}$/.test(hex) && [imageId, manifest].some((digest) => digest.startsWith(`sha256:${hex}`))
  );
}

function patternOf(value: string, text: string): RegExp {
  try {
    return new RegExp(value);
  } catch {
    throw wrongFilter(text, "a regular expression");
  }
}
