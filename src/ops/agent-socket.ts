import { closeSync, constants, openSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { Session } from "../session/index.ts";

export interface AgentSocket {
  readonly path: string;
  /** A short path to it for programs of this user, while this process has it open. */
  readonly address: string;
  close(): void;
}

/** A socket that leads to the caller's agent `id`, in `directory`, until it is closed. */
export function openAgentSocket(id: string, session: Session, directory: string): Promise<AgentSocket> {
  return listen(
    createServer((client) => forward(client, id, session)),
    directory,
  );
}

/** A socket in a directory whose path may be longer than the 107 bytes that the address of a socket has room for. */
async function listen(server: Server, directory: string): Promise<AgentSocket> {
  const handle = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  const connections = new Set<Socket>();
  server.on("connection", (socket) => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(`/proc/self/fd/${handle}/agent`, resolve);
  });
  server.unref();
  return {
    path: join(directory, "agent"),
    address: `/proc/${process.pid}/fd/${handle}/agent`,
    close() {
      for (const socket of connections) socket.destroy();
      server.close(() => closeSync(handle));
    },
  };
}

function forward(client: Socket, id: string, session: Session): void {
  client.on("error", () => client.destroy());
  session.ssh.connect(id).then(
    (agent) => {
      agent.on("error", () => client.destroy());
      client.on("close", () => agent.destroy());
      client.pipe(agent).pipe(client);
    },
    () => client.destroy(),
  );
}
