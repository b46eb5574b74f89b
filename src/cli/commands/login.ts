import { storeCredentials } from "../../config/index.ts";
import { BuildError, collect, parseReference } from "../../core/index.ts";
import { openRegistry } from "../../registry/index.ts";
import type { Call, Command } from "../command.ts";
import { interruption } from "../interruption.ts";
import { openPrompt } from "../prompt.ts";

/** Longer than any access token. */
const maxPassword = 64 * 1024;

export const command: Command = {
  name: "login",
  summary: "Keeps the login for a registry, after asking the registry whether it is right.",
  usage: "[OPTIONS] [REGISTRY]",
  flags: [
    { name: "username", short: "u", value: "NAME", help: "user name" },
    { name: "password-stdin", help: "read the password, or an access token, from standard input" },
    {
      name: "password",
      short: "p",
      value: "",
      help: "",
      refused: "others could read it in the list of processes; use --password-stdin",
    },
  ],
  minArgs: 0,
  maxArgs: 1,
  examples: [
    "stagewright login registry.example.com",
    "stagewright login -u me --password-stdin registry.example.com < token",
  ],
  run: async (call) => {
    const host = registryHost(call.args[0]);
    const { username, password } = await enteredLogin(call);
    if (username.includes(":"))
      throw new BuildError("invalid-argument", "a user name cannot have a colon in it");
    const credentials = { kind: "password", username, password } as const;
    const registry = openRegistry();
    const stop = interruption();
    try {
      await registry.checkLogin(host, credentials, stop.signal);
    } finally {
      stop.end();
      registry.close();
    }
    const place = await storeCredentials(host, credentials);
    process.stderr.write(`The login for ${host} is kept in ${place}.\n`);
    process.stdout.write("Login Succeeded\n");
    return 0;
  },
};

/** A registry as users write it, `https://` and path included; Docker Hub when left out. */
export function registryHost(text: Call["args"][number] | undefined): string {
  if (text === undefined) return "docker.io";
  const host = text.replace(/^https?:\/\//, "").split("/", 1)[0]!;
  const known = ["docker.io", "index.docker.io", "registry-1.docker.io"].includes(host);
  if (known) return "docker.io";
  const { domain } = parseReference(`${host}/name`);
  if (domain === host) return domain;
  throw new BuildError("invalid-argument", `${JSON.stringify(text)} is not a registry`, {
    hint: "a registry is a host name with a dot or a port: registry.example.com, localhost:5000",
  });
}

/** From flags and standard input; on a terminal, what is missing is asked for. */
async function enteredLogin(call: Call): Promise<{ username: string; password: string }> {
  const username = call.get("username");
  if (call.is("password-stdin")) {
    if (!username) throw new BuildError("invalid-argument", "Must provide --username with --password-stdin");
    return { username, password: await readPassword() };
  }
  if (!process.stdin.isTTY)
    throw new BuildError("invalid-argument", "Cannot perform an interactive login from a non TTY device", {
      hint: "give --username NAME and --password-stdin, and the password through a pipe or from a file",
    });
  const prompt = openPrompt();
  try {
    const name = username || (await prompt.ask("Username: "));
    const password = await prompt.ask("Password: ", { hidden: true });
    if (name === "" || password === "")
      throw new BuildError("invalid-argument", "a login needs a user name and a password");
    return { username: name, password };
  } finally {
    prompt.close();
  }
}

/** One line end after the password is not part of it. */
async function readPassword(): Promise<string> {
  const bytes = await collect(process.stdin, maxPassword, "password");
  const password = bytes.toString("utf8").replace(/\r?\n$/, "");
  if (password === "") throw new BuildError("invalid-argument", "the password on standard input is empty");
  return password;
}
