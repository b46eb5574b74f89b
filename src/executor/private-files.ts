import { quote } from "./start-script.ts";

/** A file that a step sees and no disk ever holds. */
export interface PrivateFile {
  readonly name: string;
  readonly content: Uint8Array;
  /** Ids inside the sandbox. */
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
}

/** How private files reach a step: lines of its start script, and what those read from the control channel. */
export interface PrivateDelivery {
  readonly script: readonly string[];
  readonly payload: Uint8Array;
}

/** Name of the directory in a step's own that they are delivered to. */
export const privateDirectory = "s";

const options = "mode=0711,nosuid,nodev";

/**
 * Puts files into a tmpfs on `directory`, which only the mount namespace of the step has: it is gone with the step's last
 * process, however that ends. The contents come through the control channel, so they are in memory alone; kernels
 * that can keep a tmpfs out of the swap are asked to.
 */
export function deliverPrivately(directory: string, files: readonly PrivateFile[]): PrivateDelivery {
  const mount = (wanted: string): string => `mount -t tmpfs -o ${wanted} tmpfs ${quote(directory)}`;
  return {
    script: [
      `${mount(`${options},noswap`)} 2>/dev/null || ${mount(options)} || exit 125`,
      ...files.flatMap((file) => receive(`${directory}/${file.name}`, file)),
    ],
    payload: Buffer.concat(files.map(({ content }) => content)),
  };
}

function receive(path: string, { content, uid, gid, mode }: PrivateFile): string[] {
  const target = quote(path);
  const read =
    content.length === 0
      ? `: >${target}`
      : `dd bs=${content.length} count=1 iflag=fullblock status=none of=${target} <&2`;
  return [
    `${read} || exit 125`,
    ...(uid === 0 && gid === 0 ? [] : [`chown ${uid}:${gid} ${target} || exit 125`]),
    `chmod ${mode.toString(8)} ${target} || exit 125`,
  ];
}
