import assert from "node:assert/strict";
import { BuildError, type Digest } from "../../core/index.ts";
import { inOrder, type LlbVertex } from "../../llb/index.ts";
import { dockerfileToLlb, type FrontendOptions, type FrontendResult } from "../index.ts";

export const digest: Digest = `sha256:${"1".repeat(64)}`;

export const amd64 = { os: "linux", architecture: "amd64" };

export interface Built extends FrontendResult {
  /** References that were looked up, with their platforms. */
  readonly asked: readonly string[];
}

export async function build(
  lines: string | readonly string[],
  options: Partial<FrontendOptions> = {},
  config: (ref: string) => object = () => ({}),
): Promise<Built> {
  const asked: string[] = [];
  const result = await dockerfileToLlb(
    typeof lines === "string" ? lines : `${lines.join("\n")}\n`,
    { file: "Dockerfile", buildPlatform: amd64, sessionId: "session", ...options },
    {
      resolveImage: async (ref, { platform }) => {
        asked.push(`${ref} ${platform.os}/${platform.architecture}`);
        return { ref, digest, config: Buffer.from(JSON.stringify(baseConfig(platform, config(ref)))) };
      },
    },
  );
  return { ...result, asked };
}

export function baseConfig(platform: { os: string; architecture: string }, config: object): object {
  return {
    ...platform,
    created: "2024-01-01T00:00:00Z",
    config: { Env: ["PATH=/bin"], ...config },
    rootfs: { type: "layers", diff_ids: [digest] },
    history: [{ created_by: "base" }],
  };
}

export function vertices(result: FrontendResult): LlbVertex[] {
  return result.edge === undefined ? [] : inOrder(result.edge.vertex);
}

export function names(result: FrontendResult): string[] {
  return vertices(result).map((vertex) => vertex.metadata.name);
}

export function find(result: FrontendResult, text: string): LlbVertex {
  const found = vertices(result).find((vertex) => vertex.metadata.name.includes(text));
  assert.ok(found, `no vertex ${text} in ${names(result).join(", ")}`);
  return found;
}

export function attrs(vertex: LlbVertex): Readonly<Record<string, string>> {
  assert.ok(vertex.op.body?.kind === "source");
  return vertex.op.body.attrs;
}

export async function refusal(
  lines: readonly string[],
  options: Partial<FrontendOptions> = {},
): Promise<BuildError> {
  const error = await build(lines, options).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof BuildError, `accepted: ${lines.join(" / ")}`);
  return error;
}
