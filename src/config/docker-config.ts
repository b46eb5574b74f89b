import { readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { BuildError, makeDirectories, replaceFile } from "../core/index.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/** Docker's config.json, with whatever else is in it. */
export type DockerConfig = JsonObject;

/** Where Docker's client has its configuration; undefined without `DOCKER_CONFIG` and `HOME`. */
export function dockerConfigFile(env: NodeJS.ProcessEnv): string | undefined {
  if (env.DOCKER_CONFIG) return join(env.DOCKER_CONFIG, "config.json");
  return env.HOME ? join(env.HOME, ".docker", "config.json") : undefined;
}

/** Reads config.json; a missing or empty file is an empty configuration. Throws `failed-precondition` when it is none. */
export function readDockerConfig(file: string): DockerConfig {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    if (["ENOENT", "ENOTDIR"].includes((cause as NodeJS.ErrnoException).code ?? "")) return {};
    throw new BuildError("failed-precondition", `Docker's configuration ${file} cannot be read`, {
      hint: "logins are kept there: check its permissions, or set DOCKER_CONFIG to another directory",
      cause,
    });
  }
  if (text.trim() === "") return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // The parser's message quotes the text, which holds passwords.
    throw malformed(file, "is not JSON");
  }
  return objectOf(parsed, file, "is not a JSON object");
}

/** `auths`: entries by server. */
export function authsOf(config: DockerConfig, file: string): Readonly<Record<string, JsonObject>> {
  const auths = objectOf(config.auths ?? {}, file, "auths is not an object");
  for (const [server, entry] of Object.entries(auths))
    objectOf(entry ?? {}, file, `auths[${JSON.stringify(server)}] is not an object`);
  return auths as Readonly<Record<string, JsonObject>>;
}

/** The credential helper for a server: the first of its names in `credHelpers`, else `credsStore`. */
export function helperFor(
  config: DockerConfig,
  servers: readonly string[],
  file: string,
): string | undefined {
  const helpers = objectOf(config.credHelpers ?? {}, file, "credHelpers is not an object");
  const own = servers.map((server) => helpers[server]).find((name) => name !== undefined);
  const name = own ?? config.credsStore;
  if (name === undefined || name === "") return undefined;
  if (typeof name !== "string" || !/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name))
    throw malformed(file, `${JSON.stringify(name)} is not the name of a credential helper`);
  return name;
}

/** Replaces the file by one that only its owner can read. A link to it stays a link. */
export function writeDockerConfig(file: string, config: DockerConfig): void {
  const target = realFile(file);
  try {
    makeDirectories(dirname(target), 0o700);
    replaceFile(target, `${JSON.stringify(config, null, "\t")}\n`, { mode: 0o600 });
  } catch (cause) {
    throw new BuildError("failed-precondition", `Docker's configuration ${file} cannot be written`, {
      hint: "set DOCKER_CONFIG to a directory of your own",
      cause,
    });
  }
}

function realFile(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}

function objectOf(value: unknown, file: string, problem: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw malformed(file, problem);
}

function malformed(file: string, problem: string): BuildError {
  return new BuildError("failed-precondition", `Docker's configuration ${file}: ${problem}`, {
    hint: "correct the file, or set DOCKER_CONFIG to another directory",
  });
}
