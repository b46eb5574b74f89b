import type { Duplex } from "node:stream";
import type { Mask } from "./mask.ts";

/** What the caller lends a build. Steps name it by id; it stays with the caller otherwise. */
export interface Session {
  readonly secrets: Secrets;
  readonly ssh: SshAgents;
  /** Hides what `secrets` gave from everything that is printed. */
  readonly mask: Mask;
}

/** Where secrets come from. */
export interface Secrets {
  /**
   * The content, or undefined when there is no such secret. The same one every time it is asked for. `signal` ends the wait for a
   * pipe.
   */
  get(id: string, signal?: AbortSignal): Promise<Uint8Array | undefined>;
}

/** SSH agents that steps may talk to. */
export interface SshAgents {
  readonly ids: readonly string[];
  /** A new connection to the agent, for one that `ids` has. It only lists keys and signs. The caller destroys it. */
  connect(id: string): Promise<Duplex>;
}

/** A secret: the file or variable that holds it, or a function that is called when the first step asks for it. */
export type SecretSource =
  | { readonly file: string }
  | { readonly env: string }
  | (() => string | Uint8Array | Promise<string | Uint8Array>);

/**
 * An SSH agent: its socket, or files with private keys, which the build then keeps in memory; or a function that
 * opens a connection to one. No paths: the agent of `SSH_AUTH_SOCK`.
 */
export type SshSource = { readonly paths: readonly string[] } | (() => Duplex | Promise<Duplex>);
