import { BuildError, formatPlatform, type Platform, parsePlatform } from "../core/index.ts";
import type { ContainerConfig, Healthcheck, HistoryEntry, ImageConfig } from "./image-config.ts";

/** Docker's default; set wherever an image says nothing. */
export const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What `FROM scratch` starts with. */
export function emptyImage(platform: Platform): ImageConfig {
  return {
    ...platformFields(platform),
    config: { Env: [defaultPath], WorkingDir: "/" },
    rootfs: { type: "layers", diff_ids: [] },
    history: [],
  };
}

/** The platform that a configuration is for. */
export function platformOf(image: ImageConfig): Platform {
  const { os, architecture, variant } = image;
  return {
    os,
    architecture,
    ...(variant !== undefined && { variant }),
    ...(image["os.version"] !== undefined && { "os.version": image["os.version"] }),
    ...(image["os.features"] !== undefined && { "os.features": image["os.features"] }),
  };
}

/** `platform` as containerd normalises it; images without one stay without. */
export function normalisePlatform(platform: Platform): Platform {
  if (platform.os === "" || platform.architecture === "") return platform;
  const { variant: _, ...rest } = platform;
  const { os, architecture, variant } = parsePlatform(formatPlatform(platform));
  return { ...rest, os, architecture, ...(variant !== undefined && { variant }) };
}

/** Replaces the platform of a configuration. */
export function withPlatform(image: ImageConfig, platform: Platform): ImageConfig {
  const { config, rootfs, history, created, author } = image;
  return {
    ...(created !== undefined && { created }),
    ...(author !== undefined && { author }),
    ...platformFields(platform),
    config,
    rootfs,
    history,
  };
}

function platformFields(platform: Platform) {
  return {
    architecture: platform.architecture,
    os: platform.os,
    ...(platform["os.version"] && { "os.version": platform["os.version"] }),
    ...(platform["os.features"]?.length && { "os.features": platform["os.features"] }),
    ...(platform.variant && { variant: platform.variant }),
  };
}

/**
 * Reads the configuration of a base image. Only what Dockerfiles know is taken over, as BuildKit does; the created
 * time is dropped. Throws `invalid-argument` when it is no image configuration.
 */
export function parseImageConfig(bytes: Uint8Array, where: string): ImageConfig {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new BuildError("invalid-argument", `${where}: image configuration is not JSON`, { cause });
  }
  const top = objectAt(json, where);
  const config = objectAt(top.config ?? {}, `${where}: config`);
  const rootfs = objectAt(top.rootfs ?? {}, `${where}: rootfs`);
  const features = stringsAt(top, "os.features", where);
  return {
    ...optional("author", stringAt(top, "author", where)),
    architecture: stringAt(top, "architecture", where) ?? "",
    os: stringAt(top, "os", where) ?? "",
    ...optional("os.version", stringAt(top, "os.version", where)),
    ...optional("os.features", features),
    ...optional("variant", stringAt(top, "variant", where)),
    config: containerConfig(config, `${where}: config`),
    rootfs: {
      type: stringAt(rootfs, "type", `${where}: rootfs`) ?? "",
      diff_ids: stringsAt(rootfs, "diff_ids", `${where}: rootfs`) ?? [],
    },
    history: listAt(top, "history", where).map((entry) => historyEntry(entry, `${where}: history`)),
  };
}

function containerConfig(json: Record<string, unknown>, where: string): ContainerConfig {
  const healthcheck = json.Healthcheck;
  return {
    ...optional("User", stringAt(json, "User", where)),
    ...optional("ExposedPorts", keysAt(json, "ExposedPorts", where)),
    ...optional("Env", stringsAt(json, "Env", where)),
    ...optional("Entrypoint", stringsAt(json, "Entrypoint", where)),
    ...optional("Cmd", stringsAt(json, "Cmd", where)),
    ...optional("Volumes", keysAt(json, "Volumes", where)),
    ...optional("WorkingDir", stringAt(json, "WorkingDir", where)),
    ...optional("Labels", labelsAt(json, where)),
    ...optional("StopSignal", stringAt(json, "StopSignal", where)),
    ...(json.ArgsEscaped === true && { ArgsEscaped: true }),
    ...(healthcheck ? { Healthcheck: healthcheckOf(objectAt(healthcheck, where), where) } : {}),
    ...optional("OnBuild", stringsAt(json, "OnBuild", where)),
    ...optional("Shell", stringsAt(json, "Shell", where)),
  };
}

function healthcheckOf(json: Record<string, unknown>, where: string): Healthcheck {
  const numbers = ["Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"] as const;
  const result: Record<string, unknown> = { ...optional("Test", stringsAt(json, "Test", where)) };
  for (const key of numbers) if (typeof json[key] === "number" && json[key] !== 0) result[key] = json[key];
  return result as Healthcheck;
}

function historyEntry(json: unknown, where: string): HistoryEntry {
  const entry = objectAt(json, where);
  return {
    ...optional("created", stringAt(entry, "created", where)),
    ...optional("created_by", stringAt(entry, "created_by", where)),
    ...optional("author", stringAt(entry, "author", where)),
    ...optional("comment", stringAt(entry, "comment", where)),
    ...(entry.empty_layer === true && { empty_layer: true }),
  };
}

type Json = Readonly<Record<string, unknown>>;

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  const empty = value === undefined || value === "" || (Array.isArray(value) && value.length === 0);
  return (empty ? {} : { [key]: value }) as { [P in K]?: V };
}

function objectAt(json: unknown, where: string): Record<string, unknown> {
  if (json === null || typeof json !== "object" || Array.isArray(json)) throw malformed(where, "an object");
  return json as Record<string, unknown>;
}

function stringAt(json: Json, key: string, where: string): string | undefined {
  const value = json[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw malformed(`${where}: ${key}`, "text");
  return value;
}

function listAt(json: Json, key: string, where: string): readonly unknown[] {
  const value = json[key];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw malformed(`${where}: ${key}`, "a list");
  return value;
}

function stringsAt(json: Json, key: string, where: string): readonly string[] | undefined {
  const list = listAt(json, key, where);
  if (!list.every((item) => typeof item === "string")) throw malformed(`${where}: ${key}`, "a list of texts");
  return list.length === 0 ? undefined : (list as readonly string[]);
}

function keysAt(json: Json, key: string, where: string): Record<string, object> | undefined {
  const value = json[key];
  if (value === undefined || value === null) return undefined;
  return Object.fromEntries(Object.keys(objectAt(value, `${where}: ${key}`)).map((name) => [name, {}]));
}

function labelsAt(json: Json, where: string): Record<string, string> | undefined {
  const value = json.Labels;
  if (value === undefined || value === null) return undefined;
  const labels = objectAt(value, `${where}: Labels`);
  for (const key of Object.keys(labels)) stringAt(labels, key, `${where}: Labels`);
  return labels as Record<string, string>;
}

function malformed(where: string, wanted: string): BuildError {
  return new BuildError("invalid-argument", `${where}: malformed image configuration: ${wanted} expected`);
}
