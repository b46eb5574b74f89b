import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { StepFlags } from "../../../reference/case.ts";
import { BuildError, type Digest, readIgnoreFile } from "../../core/index.ts";
import { allCapabilities } from "../capabilities.ts";
import type { Bridge, FrontendOptions } from "../types.ts";

/** What a real BuildKit made of the Dockerfiles in `reference/cases`: see `reference/`. */
export interface Recorded {
  readonly inputs: {
    readonly dockerfile: string;
    readonly dockerignore?: string;
    readonly target?: string;
    readonly buildArgs?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
    readonly steps?: StepFlags;
  };
  readonly session?: string;
  readonly vertices: readonly { digest: Digest; name: string; inputs?: readonly Digest[] }[];
  readonly warnings: readonly { readonly short: string }[];
  readonly failure?: string;
  readonly llb?: { readonly digestMapping: Readonly<Record<Digest, string>> };
  readonly config?: { readonly history: readonly unknown[] };
  readonly calls: Readonly<Record<"check" | "outline" | "targets", RecordedCall>>;
}

/** What `docker buildx build --call` printed, without the Dockerfile's text. */
export interface RecordedCall {
  readonly status: number;
  readonly text: string;
  readonly json?: unknown;
  readonly failure?: string;
}

const directory = join(import.meta.dirname, "../../../reference/recorded");

function read<T>(name: string): T {
  return JSON.parse(readFileSync(join(directory, name), "utf8")) as T;
}

export function recordedBridge(lookUps: Map<string, Digest>): Bridge {
  const { images } = read<{ images: readonly { reference: string; config: object }[] }>("bases.json");
  return {
    resolveImage(ref, { name, vertex }) {
      lookUps.set(name, vertex);
      const found = images.find(({ reference }) => reference === ref);
      if (found === undefined) throw new BuildError("not-found", `${ref}: not recorded`);
      const digest = ref.slice(ref.indexOf("@") + 1) as Digest;
      return Promise.resolve({ ref, digest, config: Buffer.from(JSON.stringify(found.config)) });
    },
  };
}

export function recordedOptions({ inputs, session }: Recorded): FrontendOptions {
  const { target, buildArgs, labels, dockerignore, steps = {} } = inputs;
  const { network, allow = [], addHosts = {}, ulimits = {}, shmSize } = steps;
  return {
    file: "Dockerfile",
    buildPlatform: { os: "linux", architecture: "amd64" },
    imageResolveMode: "local",
    capabilities: allCapabilities,
    ...(session !== undefined && { sessionId: session }),
    ...(target !== undefined && { target }),
    ...(buildArgs !== undefined && { buildArgs }),
    ...(labels !== undefined && { labels }),
    ...(network !== undefined && { network }),
    ...(shmSize !== undefined && { shmSize }),
    entitlements: new Set([...allow, ...(network === "host" ? ["network.host"] : [])]),
    extraHosts: Object.entries(addHosts).map(([host, ip]) => ({ host, ip })),
    ulimits: Object.entries(ulimits).map(([name, [soft, hard]]) => ({ name, soft, hard })),
    ...(dockerignore !== undefined && { excludePatterns: readIgnoreFile(dockerignore).patterns }),
  };
}

/** Names of the records' files. */
export function recordedNames(): string[] {
  return readdirSync(directory)
    .filter((name) => name !== "bases.json")
    .sort();
}

export function readRecorded(name: string): Recorded {
  return read<Recorded>(name);
}
