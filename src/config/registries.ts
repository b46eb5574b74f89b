import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { BuildError } from "../core/index.ts";
import { parseToml, type TomlTable, type TomlValue } from "./toml.ts";

/** Files in PEM form of a client certificate. */
export interface RegistryKeyPair {
  readonly key: string;
  readonly cert: string;
}

/** What is set for one registry host: the table `[registry."host"]` of a file in buildkitd.toml's syntax. */
export interface RegistryHost {
  /** Asked before the host itself, in order: `mirror.example.com`, with optional port and path. */
  readonly mirrors?: readonly string[];
  /** Plain HTTP. Without it only loopback hosts are spoken to in HTTP. */
  readonly http?: boolean;
  /** HTTPS without checking the certificate. */
  readonly insecure?: boolean;
  /** Files with further certificate authorities. */
  readonly ca?: readonly string[];
  readonly keypair?: readonly RegistryKeyPair[];
  /** Token servers elsewhere that may see the login for this registry: `auth.example.net`, with optional port. */
  readonly realms?: readonly string[];
}

/** By host as it stands in image names: `docker.io`, `registry.example.com:5000`. */
export type RegistrySettings = Readonly<Record<string, RegistryHost>>;

/** For every user of the machine; looked at last. */
const systemFiles = ["/etc/stagewright/config.toml"];

/**
 * The registry settings of this user and machine: the file that `STAGEWRIGHT_CONFIG` names, else the first that exists of
 * `stagewright/config.toml` in the user's configuration directory and in `/etc`. Nothing set when there is none.
 */
export function loadRegistrySettings(
  env: NodeJS.ProcessEnv = process.env,
  system: readonly string[] = systemFiles,
): RegistrySettings {
  if (env.STAGEWRIGHT_CONFIG) return readSettings(env.STAGEWRIGHT_CONFIG);
  const own = env.XDG_CONFIG_HOME || (env.HOME ? join(env.HOME, ".config") : undefined);
  const usual = own === undefined ? system : [join(own, "stagewright", "config.toml"), ...system];
  const found = usual.find((file) => existsSync(file));
  return found === undefined ? {} : readSettings(found);
}

function readSettings(file: string): RegistrySettings {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new BuildError("failed-precondition", `settings file ${file} cannot be read`, {
      hint: "check STAGEWRIGHT_CONFIG and the file's permissions",
      cause,
    });
  }
  return parseRegistrySettings(text, file, dirname(resolve(file)));
}

/**
 * Reads registry settings from a file in buildkitd.toml's syntax. Other tables than `registry` are somebody else's and
 * ignored; an unknown key inside is refused, because it would silently not do what it says. Relative file names are
 * relative to `directory`. Throws `invalid-argument` with file and place.
 */
export function parseRegistrySettings(text: string, file: string, directory: string): RegistrySettings {
  const { registry = {} } = parseToml(text, file);
  const settings: Record<string, RegistryHost> = Object.create(null);
  for (const [host, table] of Object.entries(tableOf(registry, `${file}: registry`)))
    settings[host] = hostOf(
      tableOf(table, `${file}: registry.${host}`),
      `${file}: registry.${host}`,
      directory,
    );
  return settings;
}

function hostOf(table: TomlTable, where: string, directory: string): RegistryHost {
  const host: { -readonly [K in keyof RegistryHost]: RegistryHost[K] } = {};
  for (const [key, value] of Object.entries(table)) {
    const place = `${where}.${key}`;
    if (key === "http" || key === "insecure") host[key] = booleanOf(value, place);
    else if (key === "mirrors" || key === "realms")
      host[key] = listOf(value, place).map((item) => stringOf(item, place));
    else if (key === "ca")
      host.ca = listOf(value, place).map((item) => resolve(directory, stringOf(item, place)));
    else if (key === "keypair")
      host.keypair = listOf(value, place).map((item) => keyPairOf(item, place, directory));
    else
      throw new BuildError("invalid-argument", `${place} is not a setting`, {
        hint: "settings of a registry are mirrors, http, insecure, ca, keypair and realms",
      });
  }
  return host;
}

function keyPairOf(value: TomlValue, where: string, directory: string): RegistryKeyPair {
  const table = tableOf(value, where);
  return {
    key: resolve(directory, stringOf(table.key, `${where}.key`)),
    cert: resolve(directory, stringOf(table.cert, `${where}.cert`)),
  };
}

function tableOf(value: TomlValue, where: string): TomlTable {
  if (typeof value === "object" && !Array.isArray(value)) return value as TomlTable;
  throw new BuildError("invalid-argument", `${where} is not a table`);
}

function listOf(value: TomlValue, where: string): readonly TomlValue[] {
  if (Array.isArray(value)) return value;
  throw new BuildError("invalid-argument", `${where} is not an array`);
}

function stringOf(value: TomlValue | undefined, where: string): string {
  if (typeof value === "string") return value;
  throw new BuildError("invalid-argument", `${where} is not a string`);
}

function booleanOf(value: TomlValue, where: string): boolean {
  if (typeof value === "boolean") return value;
  throw new BuildError("invalid-argument", `${where} is neither true nor false`);
}
