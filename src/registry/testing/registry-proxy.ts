import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
  request as send,
} from "node:http";

/** Stands before a real registry: counts what comes, and cuts transfers. */
export interface RegistryProxy {
  /** `127.0.0.1:<port>`. */
  readonly host: string;
  readonly requests: {
    readonly method: string;
    readonly path: string;
    readonly headers: IncomingHttpHeaders;
  }[];
  /** Breaks off the next request of this method once so many bytes of its body are through. */
  cut(method: string, bytes: number): void;
  /** Breaks off the next answer to a GET whose path has this in it, once so many bytes of its body are through. */
  cutAnswer(path: string, bytes: number): void;
  close(): Promise<void>;
}

export async function startRegistryProxy(target: string): Promise<RegistryProxy> {
  const requests: RegistryProxy["requests"] = [];
  const cuts: { method: string; bytes: number }[] = [];
  const answerCuts: { path: string; bytes: number }[] = [];
  const server = createServer((request, response) => {
    const { method = "", url: path = "", headers } = request;
    requests.push({ method, path, headers });
    const at = cuts.findIndex((one) => one.method === method);
    const cut = at < 0 ? undefined : cuts.splice(at, 1)[0];
    const upstream = send(`http://${target}${path}`, { method, headers });
    upstream.on("error", () => request.socket.destroy());
    upstream.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      const broken = answerCuts.findIndex((one) => method === "GET" && path.includes(one.path));
      if (broken < 0) return void answer.pipe(response);
      breakOff(answer, response, answerCuts.splice(broken, 1)[0]!.bytes);
    });
    if (cut === undefined) return void request.pipe(upstream);
    let passed = 0;
    request.on("data", (chunk: Buffer) => {
      upstream.write(chunk.subarray(0, cut.bytes - passed));
      passed += chunk.length;
      if (passed < cut.bytes) return;
      request.pause();
      // What was written has to arrive before the line goes dead.
      setTimeout(() => {
        upstream.destroy();
        request.socket.destroy();
      }, 50);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    host: `127.0.0.1:${port}`,
    requests,
    cut: (method, bytes) => void cuts.push({ method, bytes }),
    cutAnswer: (path, bytes) => void answerCuts.push({ path, bytes }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Passes so many bytes on, then the line is dead. */
function breakOff(answer: IncomingMessage, response: ServerResponse, bytes: number): void {
  let passed = 0;
  answer.on("data", (chunk: Buffer) => {
    if (passed >= bytes) return;
    const part = chunk.subarray(0, bytes - passed);
    passed += part.length;
    const last = passed === bytes;
    response.write(part, () => void (last && response.destroy()));
  });
}
