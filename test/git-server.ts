import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { tool } from "./sandbox.ts";

/** A real git server on loopback: `git http-backend` behind node:http. */
export interface GitServer {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** Requests since the start: method, path, and the Authorization header if there was one. */
  readonly requests: { method: string; path: string; authorization: string | undefined }[];
  close(): Promise<void>;
}

export interface GitServerOptions {
  /** Directory that holds the repositories (`name.git`). */
  readonly root: string;
  /** Every request must carry this Authorization header. */
  readonly authorization?: string;
}

export async function startGitServer(options: GitServerOptions): Promise<GitServer> {
  const requests: GitServer["requests"] = [];
  const server: Server = createServer((request, response) => {
    const { authorization } = request.headers;
    requests.push({ method: request.method!, path: request.url!, authorization });
    if (options.authorization !== undefined && authorization !== options.authorization) {
      response.writeHead(401, { "www-authenticate": "Basic realm=git" }).end();
      return;
    }
    backend(options.root, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** One CGI call. */
function backend(root: string, request: IncomingMessage, response: ServerResponse): void {
  const [path, query = ""] = request.url!.split("?");
  const child = spawn("git", ["http-backend"], {
    env: {
      PATH: process.env.PATH,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "safe.directory",
      GIT_CONFIG_VALUE_0: "*",
      PATH_INFO: decodeURIComponent(path!),
      QUERY_STRING: query,
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
      GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
    },
    stdio: ["pipe", "pipe", "ignore"],
  });
  request.pipe(child.stdin);
  child.stdin.on("error", () => undefined);
  response.on("close", () => child.kill());
  let head: Buffer = Buffer.alloc(0);
  child.stdout.on("data", (data: Buffer) => {
    if (response.headersSent) return void response.write(data);
    head = Buffer.concat([head, data]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return;
    const headers = head.toString("latin1", 0, end).split("\r\n");
    let status = 200;
    for (const line of headers) {
      const [name, value] = [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()];
      if (name.toLowerCase() === "status") status = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.writeHead(status);
    response.write(head.subarray(end + 4));
  });
  child.on("close", () => response.end());
}

const identity = {
  GIT_AUTHOR_NAME: "A",
  GIT_AUTHOR_EMAIL: "a@example.com",
  GIT_COMMITTER_NAME: "A",
  GIT_COMMITTER_EMAIL: "a@example.com",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
};

/** Runs git in a repository of a test, at a fixed time. */
export async function gitIn(
  directory: string,
  args: readonly string[],
  seconds = 1_700_000_000,
): Promise<string> {
  const date = `${seconds} +0000`;
  const env = { ...identity, GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date };
  const allowed = ["-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main"];
  return (await tool("git", [...allowed, ...args], { cwd: directory, env })).trim();
}

/** A real sshd on loopback that lets one key fetch from the repositories. */
export interface SshGitServer {
  readonly port: number;
  /** File of the private key that it lets in. */
  readonly key: string;
  /** Gives the server another host key, as somebody in its place would have. */
  changeHostKey(): Promise<void>;
  close(): Promise<void>;
}

/** Starts `sshd -i` for each connection; everything that it needs is made in `directory`. Needs root. */
export async function startSshGitServer(directory: string): Promise<SshGitServer> {
  mkdirSync(directory, { recursive: true });
  mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  const at = (name: string) => join(directory, name);
  const makeKey = (name: string) => tool("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", at(name)]);
  for (const name of ["host", "other-host", "user"]) await makeKey(name);
  writeFileSync(at("authorized"), `restrict ${readFileSync(at("user.pub"), "utf8")}`, { mode: 0o600 });
  const configure = (host: string) =>
    writeFileSync(
      at("config"),
      [
        `HostKey ${at(host)}`,
        `AuthorizedKeysFile ${at("authorized")}`,
        "StrictModes no",
        "UsePAM no",
        "PermitRootLogin yes",
        "PasswordAuthentication no",
        "LogLevel ERROR",
        "",
      ].join("\n"),
    );
  configure("host");
  const server = createTcpServer((socket) => {
    const child = spawn("/usr/sbin/sshd", ["-i", "-f", at("config")], { stdio: ["pipe", "pipe", "ignore"] });
    socket.on("error", () => child.kill());
    child.stdin.on("error", () => socket.destroy());
    socket.pipe(child.stdin);
    child.stdout.pipe(socket);
    child.on("close", () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    key: at("user"),
    changeHostKey: async () => configure("other-host"),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
