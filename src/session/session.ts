import { createMask } from "./mask.ts";
import { openSecrets } from "./secrets.ts";
import { openSshAgents } from "./ssh.ts";
import type { SecretSource, Session, SshSource } from "./types.ts";

export interface SessionOptions {
  readonly secrets?: Readonly<Record<string, SecretSource>>;
  readonly ssh?: Readonly<Record<string, SshSource>>;
  /** What relative paths start from. */
  readonly cwd?: string;
}

/** Lends what this machine has. Throws for what is not there, before anything asks for it. */
export function openSession({ secrets = {}, ssh = {}, cwd = process.cwd() }: SessionOptions): Session {
  return { secrets: openSecrets(secrets, cwd), ssh: openSshAgents(ssh, cwd), mask: createMask() };
}
