import { connect, createServer, type Server } from "node:net";

/**
 * Relays a Docker socket byte for byte and notes the session id that a build announces in the upgrade of its
 * session connection. BuildKit puts that id into every local source, and so into the digests of all that use one.
 */
export interface SessionProxy {
  /** Session ids seen since the last call, in order. */
  takeSessions(): string[];
  close(): Promise<void>;
}

const header = /^x-docker-expose-session-uuid:[ \t]*(\S+)\r$/im;

/** Listens on the unix socket `listen` and relays to the unix socket `upstream`. */
export async function startSessionProxy(listen: string, upstream: string): Promise<SessionProxy> {
  let sessions: string[] = [];
  const server: Server = createServer({ allowHalfOpen: true }, (client) => {
    const engine = connect({ path: upstream, allowHalfOpen: true });
    let head: string | undefined = "";
    client.on("data", (chunk) => {
      if (head === undefined) return;
      head += chunk.toString("latin1");
      const found = header.exec(head);
      if (found) sessions.push(found[1]!);
      // A kept-alive connection may carry other requests before the upgrade; none of them is large.
      if (found || head.length > 65536) head = undefined;
    });
    client.pipe(engine);
    engine.pipe(client);
    client.on("error", () => engine.destroy());
    engine.on("error", () => client.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(listen, resolve);
  });
  return {
    takeSessions() {
      const taken = sessions;
      sessions = [];
      return taken;
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
