import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { digestOf } from "../../core/index.ts";

/** What one path answers. */
export type Reply = (request: IncomingMessage, response: ServerResponse) => void;

/** A registry in this process whose every answer a test can choose. */
export interface HostileRegistry {
  /** `127.0.0.1:<port>`. */
  readonly host: string;
  /** Every request so far, oldest first. */
  readonly requests: {
    readonly method: string;
    readonly path: string;
    readonly headers: IncomingMessage["headers"];
  }[];
  /** Sets the answers for a path; several are given one after the other, the last one for ever. */
  on(path: string, ...replies: Reply[]): void;
  /** Serves bytes honestly at `/v2/<repository>/blobs/<digest>`; returns their descriptor. */
  blob(
    repository: string,
    bytes: Uint8Array,
    mediaType: string,
  ): { mediaType: string; digest: string; size: number };
  /** Serves a JSON manifest honestly under a tag and its digest; returns its descriptor. */
  manifest(
    repository: string,
    tag: string,
    document: unknown,
  ): { mediaType: string; digest: string; size: number };
  close(): Promise<void>;
}

export async function startHostileRegistry(): Promise<HostileRegistry> {
  const replies = new Map<string, Reply[]>();
  const requests: HostileRegistry["requests"] = [];
  const server = createServer((request, response) => {
    const path = (request.url ?? "").split("?", 1)[0]!;
    requests.push({ method: request.method ?? "", path: request.url ?? "", headers: request.headers });
    const queue = replies.get(path) ?? [];
    const reply = queue.length > 1 ? queue.shift() : queue[0];
    if (reply !== undefined) reply(request, response);
    else
      response
        .writeHead(404, { "content-type": "application/json" })
        .end(`{"errors":[{"message":"no such thing"}]}`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const on = (path: string, ...list: Reply[]): void => void replies.set(path, list);
  return {
    host: `127.0.0.1:${port}`,
    requests,
    on,
    blob(repository, bytes, mediaType) {
      const digest = digestOf(bytes);
      on(`/v2/${repository}/blobs/${digest}`, (_, response) => response.end(bytes));
      return { mediaType, digest, size: bytes.length };
    },
    manifest(repository, tag, document) {
      const bytes = Buffer.from(JSON.stringify(document));
      const digest = digestOf(bytes);
      const { mediaType } = document as { mediaType: string };
      const reply: Reply = (_, response) =>
        response.writeHead(200, { "content-type": mediaType, "docker-content-digest": digest }).end(bytes);
      on(`/v2/${repository}/manifests/${tag}`, reply);
      on(`/v2/${repository}/manifests/${digest}`, reply);
      return { mediaType, digest, size: bytes.length };
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
