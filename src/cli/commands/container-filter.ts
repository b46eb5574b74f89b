import type { Container, ContainerState, ContainerStore } from "../../container/index.ts";
import { BuildError } from "../../core/index.ts";

/** A container with how far it has come. */
export interface ListedContainer {
  readonly container: Container;
  readonly state: ContainerState;
}

type Test = (listed: ListedContainer) => boolean;

const statuses = ["created", "running", "exited"];
const otherStatuses = ["paused", "restarting", "removing", "dead"];

/** What `ps --filter` lets through, as docker's: filters of one kind are alternatives, of several kinds all hold. */
export function containerFilter(texts: readonly string[], containers: ContainerStore): Test {
  const kinds = new Map<string, Test[]>();
  for (const text of texts) {
    const [key = "", value = ""] = text.split(/=(.*)/s);
    kinds.set(key, [...(kinds.get(key) ?? []), testOf(key, value, text, containers)]);
  }
  return (listed) =>
    [...kinds].every(([key, tests]) =>
      // A label more is one more that a container must have.
      key === "label" ? tests.every((test) => test(listed)) : tests.some((test) => test(listed)),
    );
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
        throw wrong(text, statuses.map((status) => `status=${status}`).join(", "));
      return ({ state }) => state.status === value;
    case "exited":
      if (!/^\d{1,3}$/.test(value)) throw wrong(text, "exited=CODE");
      return ({ state }) => state.status === "exited" && state.exitCode === Number(value);
    case "ancestor":
      return ({ container }) => isAncestor(container, value);
    case "label": {
      const [name = "", wanted] = value.split(/=(.*)/s);
      return ({ container: { labels } }) =>
        Object.hasOwn(labels, name) && (wanted === undefined || labels[name] === wanted);
    }
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
      throw wrong(text, "ancestor, before, exited, id, label, name, publish, since or status");
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
    throw wrong(text, "a regular expression");
  }
}

function wrong(text: string, expected: string): BuildError {
  return new BuildError("invalid-argument", `--filter ${text}: expected ${expected}`);
}
