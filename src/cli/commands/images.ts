import { familiarRepository, parseReference } from "../../core/index.ts";
import { imageSize, readImage } from "../../image/index.ts";
import type { ImageRecord } from "../../names/index.ts";
import type { Store } from "../../store/index.ts";
import type { Call, Command } from "../command.ts";
import { formatSize } from "../progress/format.ts";
import { ago, shortId, textTable } from "../text-table.ts";
import { rootFlag, storeOf } from "./common.ts";

export const command: Command = {
  name: "images",
  summary: "Lists the images of the local store.",
  usage: "[OPTIONS] [NAME]",
  flags: [
    { name: "quiet", short: "q", help: "only ids" },
    { name: "no-trunc", help: "ids in full" },
    { name: "digests", help: "the digest of each image's manifest or index" },
    { name: "all", short: "a", help: "also images without a name" },
    rootFlag,
  ],
  minArgs: 0,
  maxArgs: 1,
  examples: ["stagewright images", "stagewright images --digests debian"],
  run: async (call) => {
    process.stdout.write(list(call, storeOf(call)));
    return 0;
  },
};

function list(call: Call, store: Store): string {
  const filter = call.args[0];
  const records = store.names
    .list()
    .filter((record) => record.name !== undefined || call.is("all"))
    .filter((record) => filter === undefined || matches(record, filter));
  const id = (record: ImageRecord) => (call.is("no-trunc") ? record.id : shortId(record.id));
  if (call.is("quiet")) return records.map((record) => `${id(record)}\n`).join("");
  const digests = call.is("digests");
  const head = ["REPOSITORY", "TAG", ...(digests ? ["DIGEST"] : []), "IMAGE ID", "CREATED", "SIZE"];
  const rows = records.map((record) => {
    const image = readImage(store.content, record.manifest);
    return [
      ...nameColumns(record),
      ...(digests ? [record.target.digest] : []),
      id(record),
      ago(image.config.created),
      formatSize(imageSize(image, store), 3),
    ];
  });
  return textTable(head, rows);
}

function nameColumns({ name }: ImageRecord): [string, string] {
  if (name === undefined) return ["<none>", "<none>"];
  const reference = parseReference(name);
  return [familiarRepository(reference), reference.tag ?? "<none>"];
}

/** `debian` is every tag of it, `debian:12` that one. */
function matches({ name }: ImageRecord, filter: string): boolean {
  if (name === undefined) return false;
  const have = parseReference(name);
  const want = parseReference(filter);
  const tagged = /:[^/]+$/.test(filter);
  return have.domain === want.domain && have.path === want.path && (!tagged || have.tag === want.tag);
}
