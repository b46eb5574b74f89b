import { eraseCredentials } from "../../config/index.ts";
import type { Command } from "../command.ts";
import { registryHost } from "./login.ts";

export const command: Command = {
  name: "logout",
  summary: "Forgets the login for a registry.",
  usage: "[REGISTRY]",
  flags: [],
  minArgs: 0,
  maxArgs: 1,
  examples: ["stagewright logout registry.example.com"],
  run: async (call) => {
    const host = registryHost(call.args[0]);
    const found = await eraseCredentials(host);
    process.stdout.write(found ? `Removed the login for ${host}\n` : `Not logged in to ${host}\n`);
    return 0;
  },
};
