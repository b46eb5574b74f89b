import { execFile } from "node:child_process";
import { BuildError, foreignText } from "../core/index.ts";
import {
  authsOf,
  dockerConfigFile,
  helperFor,
  readDockerConfig,
  writeDockerConfig,
} from "./docker-config.ts";

/** What a registry, or its token server, is shown. */
export type Credentials =
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  /** An OAuth refresh token (`identitytoken`). */
  | { readonly kind: "identity"; readonly token: string };

/** Under this user name a credential helper keeps a refresh token. */
const identityUser = "<token>";
/** Docker Hub's entry has had this name since its first registry. */
const hubServer = "https://index.docker.io/v1/";
const maxHelperAnswer = 1024 * 1024;

/** The login for a registry host as image names have it (`docker.io`, `localhost:5000`), by Docker's configuration. */
export async function findCredentials(
  host: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Credentials | undefined> {
  const file = dockerConfigFile(env);
  if (file === undefined) return undefined;
  const config = readDockerConfig(file);
  const helper = helperFor(config, serverNames(host), file);
  if (helper !== undefined) {
    const kept = await helperGet(helper, serverOf(host), env);
    if (kept !== undefined) return kept;
  }
  for (const [server, entry] of Object.entries(authsOf(config, file)))
    if (hostOfServer(server) === host) {
      const found = credentialsOf(entry, `${file}: auths[${JSON.stringify(server)}]`);
      if (found !== undefined) return found;
    }
  return undefined;
}

/**
 * Keeps a login as `docker login` does: with the credential helper when one is set, else in the file itself. Returns
 * where it is kept.
 */
export async function storeCredentials(
  host: string,
  credentials: Credentials,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const file = configFileFor(env);
  const config = readDockerConfig(file);
  const helper = helperFor(config, serverNames(host), file);
  const server = serverOf(host);
  if (helper !== undefined) await helperStore(helper, server, credentials, env);
  const entry = helper === undefined ? entryOf(credentials) : {};
  writeDockerConfig(file, { ...config, auths: { ...authsOf(config, file), [server]: entry } });
  return helper === undefined ? file : `credential helper ${helper}`;
}

/** Forgets a login; false when there was none. */
export async function eraseCredentials(host: string, env: NodeJS.ProcessEnv = process.env): Promise<boolean> {
  const file = configFileFor(env);
  const config = readDockerConfig(file);
  const helper = helperFor(config, serverNames(host), file);
  const server = serverOf(host);
  const kept = helper !== undefined && (await helperGet(helper, server, env)) !== undefined;
  if (kept) await runHelper(helper, "erase", server, env);
  const auths = Object.entries(authsOf(config, file));
  const others = auths.filter(([name]) => hostOfServer(name) !== host);
  if (others.length !== auths.length)
    writeDockerConfig(file, { ...config, auths: Object.fromEntries(others) });
  return kept || others.length !== auths.length;
}

function configFileFor(env: NodeJS.ProcessEnv): string {
  const file = dockerConfigFile(env);
  if (file !== undefined) return file;
  throw new BuildError("failed-precondition", "there is no place for a login: HOME is not set", {
    hint: "set DOCKER_CONFIG to a directory",
  });
}

function serverOf(host: string): string {
  return host === "docker.io" ? hubServer : host;
}

/** Names under which `credHelpers` may have a host. */
function serverNames(host: string): readonly string[] {
  return host === "docker.io" ? [hubServer, "docker.io", "index.docker.io"] : [host, `https://${host}`];
}

/** The registry host that a key of `auths` means: Docker wrote addresses there in earlier times. */
function hostOfServer(server: string): string {
  const host = server.replace(/^https?:\/\//, "").split("/", 1)[0]!;
  return host === "index.docker.io" || host === "registry-1.docker.io" ? "docker.io" : host;
}

/** One entry of `auths`; undefined when it only says that a helper has the login. */
function credentialsOf(entry: unknown, where: string): Credentials | undefined {
  const { auth, identitytoken, username, password } = (entry ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof identitytoken === "string" && identitytoken !== "")
    return { kind: "identity", token: identitytoken };
  if (typeof auth === "string" && auth !== "") {
    const text = Buffer.from(auth, "base64").toString("utf8");
    const colon = text.indexOf(":");
    if (colon < 1)
      throw new BuildError("failed-precondition", `${where}.auth is not a login (base64 of user:password)`, {
        hint: "log in again with 'stagewright login'",
      });
    return {
      kind: "password",
      username: text.slice(0, colon),
      password: text.slice(colon + 1).replace(/\0+$/, ""),
    };
  }
  if (typeof username === "string" && typeof password === "string" && username !== "")
    return { kind: "password", username, password };
  return undefined;
}

function entryOf(credentials: Credentials): Readonly<Record<string, string>> {
  if (credentials.kind === "identity") return { auth: "", identitytoken: credentials.token };
  return { auth: Buffer.from(`${credentials.username}:${credentials.password}`).toString("base64") };
}

async function helperGet(
  helper: string,
  server: string,
  env: NodeJS.ProcessEnv,
): Promise<Credentials | undefined> {
  const answer = await runHelper(helper, "get", server, env);
  if (answer === undefined) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(answer);
  } catch {
    parsed = undefined;
  }
  const { Username: username, Secret: secret } = (parsed ?? {}) as Readonly<Record<string, unknown>>;
  // The answer itself is not shown: it may hold a password.
  if (typeof username !== "string" || typeof secret !== "string")
    throw new BuildError(
      "failed-precondition",
      `${program(helper)} gave no login for ${server}: not the JSON it should be`,
    );
  if (username === "" && secret === "") return undefined;
  return username === identityUser
    ? { kind: "identity", token: secret }
    : { kind: "password", username, password: secret };
}

async function helperStore(
  helper: string,
  server: string,
  credentials: Credentials,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const [username, secret] =
    credentials.kind === "identity"
      ? [identityUser, credentials.token]
      : [credentials.username, credentials.password];
  const login = { ServerURL: server, Username: username, Secret: secret };
  await runHelper(helper, "store", JSON.stringify(login), env);
}

function program(helper: string): string {
  return `docker-credential-${helper}`;
}

/** Runs a credential helper: input on stdin, answer on stdout. Undefined when it knows no such login. */
function runHelper(
  helper: string,
  action: "get" | "store" | "erase",
  input: string,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      program(helper),
      [action],
      { env, maxBuffer: maxHelperAnswer },
      (error, stdout) => {
        if (error === null) return resolve(stdout);
        // Helpers tell errors on stdout; this is the text that they agreed on.
        if (action !== "store" && /credentials not found/i.test(stdout)) return resolve(undefined);
        const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
        const said = foreignText(stdout);
        const reason = missing
          ? "it is not installed"
          : said && action !== "get"
            ? said
            : `it failed (${action})`;
        reject(
          new BuildError("failed-precondition", `credential helper ${program(helper)}: ${reason}`, {
            hint: "Docker's config.json names it in credsStore or credHelpers",
          }),
        );
      },
    );
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
}
