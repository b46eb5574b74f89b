import { BuildError, goText, isDigest } from "../core/index.ts";
import { array, type JsonObject, object, optional, parseJson, string, strings } from "./json.ts";
import type { ContainerConfig, Healthcheck, HistoryEntry, ImageConfig } from "./types.ts";

/** Parses an image configuration that may come from anywhere. Throws `invalid-argument` that begins with `where`. */
export function parseConfig(bytes: Uint8Array, where: string): ImageConfig {
  const json = parseJson(bytes, where);
  const rootfs = object(json.rootfs, `${where}: rootfs`);
  const diffIds = array(rootfs.diff_ids ?? [], `${where}: rootfs.diff_ids`);
  for (const [i, diffId] of diffIds.entries())
    if (!isDigest(diffId))
      throw new BuildError("invalid-argument", `${where}: rootfs.diff_ids[${i}] is not a sha256 digest`);
  string(json.architecture, `${where}: architecture`);
  string(json.os, `${where}: os`);
  for (const key of ["created", "author", "variant", "os.version"])
    optional(json[key], `${where}: ${key}`, string);
  optional(json.config, `${where}: config`, checkContainer);
  optional(json.history, `${where}: history`, checkHistory);
  return withoutNulls({ ...json, rootfs: { ...rootfs, diff_ids: diffIds } }) as unknown as ImageConfig;
}

function checkContainer(value: unknown, where: string): void {
  const config = object(value, where);
  for (const key of ["User", "WorkingDir", "StopSignal"]) optional(config[key], `${where}.${key}`, string);
  for (const key of ["Env", "Entrypoint", "Cmd", "OnBuild", "Shell"])
    optional(config[key], `${where}.${key}`, strings);
  for (const key of ["ExposedPorts", "Volumes"]) optional(config[key], `${where}.${key}`, object);
  optional(config.Labels, `${where}.Labels`, (labels, at) => {
    for (const [key, label] of Object.entries(object(labels, at)))
      string(label, `${at}[${JSON.stringify(key)}]`);
  });
  optional(config.Healthcheck, `${where}.Healthcheck`, (check, at) => {
    optional(object(check, at).Test, `${at}.Test`, strings);
  });
}

function checkHistory(value: unknown, where: string): void {
  for (const [i, entry] of array(value, where).entries()) {
    const fields = object(entry, `${where}[${i}]`);
    for (const key of ["created", "created_by", "author", "comment"])
      optional(fields[key], `${where}[${i}].${key}`, string);
  }
}

/** Go leaves `null` where a slice or map is empty; to readers that is the same as absent. */
function withoutNulls(json: JsonObject): JsonObject {
  const entries = Object.entries(json).filter(([, value]) => value !== null);
  const config = json.config;
  const kept = Object.fromEntries(entries);
  if (config === null || config === undefined) return kept;
  return {
    ...kept,
    config: Object.fromEntries(Object.entries(config).filter(([, value]) => value !== null)),
  };
}

/**
 * The bytes of a configuration as BuildKit's exporter writes them: top-level keys in byte order, everything below in the
 * order of Go's structs, empty values left out.
 */
export function encodeConfig(config: ImageConfig): Buffer {
  const fields: Record<string, unknown> = {
    architecture: config.architecture,
    author: config.author,
    config: orderedContainer(config.config ?? {}),
    created: config.created === undefined ? null : goText.normaliseTime(config.created),
    history: config.history?.length ? config.history.map(orderedHistory) : null,
    os: config.os,
    "os.features": config["os.features"],
    "os.version": config["os.version"],
    rootfs: { type: "layers", diff_ids: config.rootfs.diff_ids.length === 0 ? null : config.rootfs.diff_ids },
    variant: config.variant,
  };
  for (const key of ["author", "os.features", "os.version", "variant"])
    if (isEmpty(fields[key])) delete fields[key];
  return Buffer.from(goText.json(fields));
}

const containerKeys = [
  "User",
  "ExposedPorts",
  "Env",
  "Entrypoint",
  "Cmd",
  "Volumes",
  "WorkingDir",
  "Labels",
  "StopSignal",
  "ArgsEscaped",
  "Healthcheck",
  "OnBuild",
  "Shell",
] as const satisfies readonly (keyof ContainerConfig)[];

const healthcheckKeys = [
  "Test",
  "Interval",
  "Timeout",
  "StartPeriod",
  "StartInterval",
  "Retries",
] as const satisfies readonly (keyof Healthcheck)[];

const historyKeys = [
  "created",
  "created_by",
  "author",
  "comment",
  "empty_layer",
] as const satisfies readonly (keyof HistoryEntry)[];

function orderedContainer(config: ContainerConfig): object {
  const ordered = pick(config, containerKeys);
  for (const key of ["ExposedPorts", "Volumes", "Labels"] as const) {
    const map = ordered[key];
    if (map !== undefined) ordered[key] = goText.sortedMap(map as Record<string, unknown>);
  }
  if (config.Healthcheck !== undefined) ordered.Healthcheck = pick(config.Healthcheck, healthcheckKeys);
  return ordered;
}

function orderedHistory(entry: HistoryEntry): object {
  const ordered = pick(entry, historyKeys);
  if (entry.created !== undefined) ordered.created = goText.normaliseTime(entry.created);
  return ordered;
}

function pick<T extends object>(value: T, keys: readonly (keyof T & string)[]): Record<string, unknown> {
  const picked: Record<string, unknown> = {};
  for (const key of keys) {
    // A pointer in Go: present even when it points to an empty struct.
    if (key !== "Healthcheck" && isEmpty(value[key])) continue;
    if (value[key] !== undefined && value[key] !== null) picked[key] = value[key];
  }
  return picked;
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === 0 || value === false) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
