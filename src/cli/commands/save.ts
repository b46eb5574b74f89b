import { pipeline } from "node:stream/promises";
import { BuildError } from "../../core/index.ts";
import {
  type ArchiveFormat,
  type ArchiveImage,
  replaceFileWith,
  saveArchive,
} from "../../image/archive/index.ts";
import { readRecord } from "../../image/index.ts";
import type { Store } from "../../store/index.ts";
import type { Call, Command } from "../command.ts";
import { cannotWrite, platformOf, rootFlag, storeOf } from "./common.ts";
import { leased } from "./leased.ts";

export const command: Command = {
  name: "save",
  summary: "Writes images to an archive that docker load, podman load and skopeo take.",
  usage: "[OPTIONS] IMAGE [IMAGE…]",
  completes: "image",
  flags: [
    {
      name: "output",
      completes: "file",
      short: "o",
      value: "FILE",
      help: "where to (default: standard output)",
    },
    { name: "format", completes: ["docker", "oci"], value: "KIND", help: "docker (default) or oci" },
    { name: "platform", value: "OS/ARCH", help: "only this image of an index" },
    rootFlag,
  ],
  minArgs: 1,
  maxArgs: Number.POSITIVE_INFINITY,
  examples: ["stagewright save -o hello.tar hello", "stagewright save hello | docker load"],
  run: async (call) => {
    const format = call.get("format") ?? "docker";
    if (format !== "docker" && format !== "oci")
      throw new BuildError("invalid-argument", `--format ${format}: docker or oci`);
    const store = storeOf(call);
    const output = call.get("output");
    if (output === undefined && process.stdout.isTTY)
      throw new BuildError("invalid-argument", "cowardly refusing to save to a terminal", {
        hint: "use -o FILE or a pipe",
      });
    await leased(store, async (signal) => {
      const archive = saveArchive(imagesOf(call, format, store), format, store.content, signal);
      if (output === undefined || output === "-") await pipeline(archive, process.stdout, { end: false });
      else await writeFile(archive, output, signal);
    });
    return 0;
  },
};

/** Names of one image are saved together. */
function imagesOf(call: Call, format: ArchiveFormat, store: Store): ArchiveImage[] {
  const images = new Map<string, ArchiveImage>();
  const platform = platformOf(call);
  for (const text of call.args) {
    const record = store.names.resolve(text);
    const { name } = record;
    // Docker's format has room for one image of an index: the one that is in use.
    const whole = format === "oci" && platform === undefined;
    const target = whole ? record.target : readRecord(store.content, record, platform).manifestDescriptor;
    const names = images.get(target.digest)?.names ?? [];
    const byId = /^(sha256:)?[0-9a-f]{12,64}$/.test(text);
    images.set(target.digest, { target, names: name === undefined || byId ? names : [...names, name] });
  }
  return [...images.values()];
}

async function writeFile(
  archive: AsyncIterable<Uint8Array>,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await replaceFileWith(path, archive);
  } catch (error) {
    throw signal.aborted ? error : cannotWrite(path, error);
  }
}
