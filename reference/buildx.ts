import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type StepFlags, stepArguments } from "./case.ts";
import { type ExportedImage, readOciArchive } from "./export.ts";
import { workMount } from "./peers.ts";
import type { SessionProxy } from "./session-proxy.ts";

/** A vertex of the build as BuildKit printed it. */
export interface PrintedVertex {
  readonly digest: string;
  readonly name: string;
  readonly inputs?: readonly string[];
  readonly error?: string;
}

export interface PrintedWarning {
  readonly short: string;
  readonly detail?: readonly string[];
  readonly url?: string;
  readonly line?: number;
}

export interface BuildxResult {
  readonly sessions: readonly string[];
  readonly vertices: readonly PrintedVertex[];
  readonly warnings: readonly PrintedWarning[];
  /** What each vertex wrote to its standard output and error, by digest. */
  readonly logs: Readonly<Record<string, string>>;
  /** The operations as the provenance has them, when the build succeeded. */
  readonly llb?: unknown;
  readonly image?: ExportedImage;
  /** What the command printed beside its progress, when it failed. */
  readonly failure?: string;
}

export interface BuildxRequest {
  /** Path of the context below the work directory. */
  readonly context: string;
  readonly target?: string;
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly steps?: StepFlags;
}

/** Runs `docker buildx build` in the peers' root. */
export async function buildx(
  root: string,
  work: string,
  proxy: SessionProxy,
  request: BuildxRequest,
): Promise<BuildxResult> {
  const out = join(work, "out");
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out);
  const args = [
    ...["buildx", "build", "--progress=rawjson", "--provenance=false", "--sbom=false"],
    `--metadata-file=${workMount}/out/metadata.json`,
    `--output=type=oci,dest=${workMount}/out/image.tar,compression=uncompressed,force-compression=true`,
    ...requestArguments(request),
  ];
  proxy.takeSessions();
  const { status, stderr } = await docker(root, args);
  const { messages, rest } = splitProgress(stderr);
  const printed = { sessions: proxy.takeSessions(), ...readProgress(messages) };
  if (status !== 0) return { ...printed, failure: rest.join("\n").trim() };
  const metadata = JSON.parse(readFileSync(join(out, "metadata.json"), "utf8"));
  const llb = metadata["buildx.build.provenance"]?.buildConfig;
  return { ...printed, ...(llb && { llb }), image: readOciArchive(join(out, "image.tar")) };
}

/** What a request says on the command line, the context included. */
export function requestArguments({ context, target, buildArgs, labels, steps }: BuildxRequest): string[] {
  const pairs = (flag: string, values: Readonly<Record<string, string>> = {}) =>
    Object.entries(values).flatMap(([key, value]) => [flag, `${key}=${value}`]);
  return [
    ...(target === undefined ? [] : ["--target", target]),
    ...pairs("--build-arg", buildArgs),
    ...pairs("--label", labels),
    ...stepArguments(steps, (id) => `${workMount}/secrets/${id}`),
    `${workMount}/${context}`,
  ];
}

/** Runs the docker command in the peers' root against the proxied engine. */
export function docker(
  root: string,
  args: readonly string[],
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const env = {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: "/root",
    DOCKER_HOST: `unix://${workMount}/proxy.sock`,
    BUILDX_METADATA_PROVENANCE: "max",
    BUILDX_METADATA_WARNINGS: "0",
  };
  return new Promise((resolve, reject) => {
    const child = spawn("chroot", [root, "docker", ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on("data", (chunk) => stdout.push(chunk));
    child.stderr.on("data", (chunk) => stderr.push(chunk));
    child.on("error", reject);
    child.on("close", (status) =>
      resolve({ status, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }),
    );
  });
}

interface ProgressMessage {
  readonly vertexes?: readonly PrintedVertex[];
  readonly logs?: readonly { vertex: string; data: string }[];
  readonly warnings?: readonly {
    short: string;
    detail?: readonly string[];
    url?: string;
    range?: readonly { start: { line: number } }[];
  }[];
}

function splitProgress(stderr: string): { messages: ProgressMessage[]; rest: string[] } {
  const lines = stderr.split("\n");
  const isProgress = (line: string) => line.startsWith("{");
  return {
    messages: lines.filter(isProgress).map((line) => JSON.parse(line) as ProgressMessage),
    rest: lines.filter((line) => !isProgress(line)),
  };
}

function readProgress(
  messages: readonly ProgressMessage[],
): Pick<BuildxResult, "vertices" | "warnings" | "logs"> {
  const vertices = new Map<string, PrintedVertex>();
  const logs: Record<string, Buffer[]> = {};
  const warnings: PrintedWarning[] = [];
  const decode = (base64: string) => Buffer.from(base64, "base64").toString();
  for (const message of messages) {
    for (const { digest, name, inputs, error } of message.vertexes ?? [])
      vertices.set(digest, { digest, name, ...(inputs && { inputs }), ...(error && { error }) });
    for (const { vertex, data } of message.logs ?? []) {
      logs[vertex] ??= [];
      logs[vertex].push(Buffer.from(data, "base64"));
    }
    for (const { short, detail, url, range } of message.warnings ?? []) {
      const line = range?.[0]?.start.line;
      warnings.push({
        short: decode(short),
        ...(detail && { detail: detail.map(decode) }),
        ...(url && { url }),
        ...(line !== undefined && { line }),
      });
    }
  }
  return {
    vertices: [...vertices.values()],
    warnings,
    logs: Object.fromEntries(
      Object.entries(logs).map(([key, chunks]) => [key, Buffer.concat(chunks).toString()]),
    ),
  };
}
