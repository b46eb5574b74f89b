import type { Digest } from "../core/index.ts";
import type { ProcessSpec, PublishedPort } from "../executor/index.ts";
import type { LayerId } from "../snapshot/index.ts";
import type { Tmpfs, Volume } from "./volume.ts";

/** What a container is, decided when it is made. */
export interface Container {
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  /** The image as the caller named it. */
  readonly image: string;
  readonly imageId: Digest;
  readonly manifest: Digest;
  /** Base first. Naming them here keeps them from being pruned. */
  readonly layers: readonly LayerId[];
  /** Milliseconds since the epoch. */
  readonly created: number;
  /** Never empty. */
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly hostname: string;
  readonly network: ProcessSpec["network"];
  readonly extraHosts: NonNullable<ProcessSpec["extraHosts"]>;
  /** A host port of 0 stands for any that is free when the container starts. */
  readonly ports: readonly PublishedPort[];
  /** What the image says that it listens on: `8080/tcp`. */
  readonly exposed: readonly string[];
  readonly volumes: readonly Volume[];
  /** Memory mounted in it. */
  readonly tmpfs?: readonly Tmpfs[];
  readonly ulimits?: NonNullable<ProcessSpec["ulimits"]>;
  readonly capabilities?: NonNullable<ProcessSpec["capabilities"]>;
  readonly readonlyRoot?: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly tty: boolean;
  /** Whether its stdin is open. */
  readonly interactive: boolean;
  /** Remove it when it ends. */
  readonly autoRemove: boolean;
  readonly stopSignal: NodeJS.Signals;
  /** Seconds. */
  readonly stopTimeout: number;
}

/** How far a container has come. Times are milliseconds since the epoch. */
export type ContainerState =
  /** With an exit code, it could not be started. */
  | { readonly status: "created"; readonly exitCode?: number; readonly error?: string }
  | {
      readonly status: "running";
      readonly started: number;
      /** Process id of its program. */
      readonly program?: number;
      readonly ports: readonly PublishedPort[];
    }
  | {
      readonly status: "exited";
      readonly started: number;
      readonly finished: number;
      /** 128+n for a signal. */
      readonly exitCode: number;
      readonly error?: string;
    };
