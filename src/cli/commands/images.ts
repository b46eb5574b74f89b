import { parseReference, parseRepositoryReference } from "../../core/index.ts";
import { type ImageRow, imageRows } from "../../image/index.ts";
import type { ImageRecord } from "../../names/index.ts";
import type { Store } from "../../store/index.ts";
import type { Call, Command } from "../command.ts";
import { formatSize } from "../progress/format.ts";
import { formatRows } from "../row-format.ts";
import { ago, createdAt, shortId } from "../text-table.ts";
import { rootFlag, storeOf } from "./common.ts";
import { imageFilter, wantsUntagged } from "./image-filter.ts";

export const command: Command = {
  name: "images",
  summary: "Lists the images of the local store.",
  usage: "[OPTIONS] [NAME]",
  completes: "image",
  flags: [
    { name: "quiet", short: "q", help: "only ids" },
    { name: "no-trunc", help: "ids in full" },
    { name: "digests", help: "the digest of each image's manifest or index" },
    { name: "all", short: "a", help: "also images without a name" },
    {
      name: "filter",
      short: "f",
      value: "K=V",
      many: true,
      completes: ["dangling=true", "dangling=false", "reference=", "label=", "before=", "since="],
      help: "only those: dangling=true|false, reference=PATTERN, label=K[=V], before=IMAGE, since=IMAGE",
    },
    {
      name: "format",
      value: "FORMAT",
      completes: ["json", "table"],
      help: "json, or a template: {{.Repository}}, .Tag, .Digest, .ID, .CreatedSince, .CreatedAt, .Size",
    },
    {
      name: "tree",
      help: "",
      refused: "each name is one line; 'stagewright inspect --platform' shows the others",
      accepted: ["false"],
    },
    rootFlag,
  ],
  minArgs: 0,
  maxArgs: 1,
  examples: [
    "stagewright images",
    "stagewright images --digests debian",
    "stagewright images --filter reference='team/*' --format '{{.Repository}}:{{.Tag}} {{.Size}}'",
  ],
  run: async (call) => {
    process.stdout.write(list(call, storeOf(call)));
    return 0;
  },
};

function list(call: Call, store: Store): string {
  const filter = call.args[0];
  const untagged = call.is("all") || wantsUntagged(call.all("filter"));
  const records = store.names
    .list()
    .filter((record) => record.name !== undefined || untagged)
    .filter((record) => filter === undefined || matches(record, filter))
    .filter(imageFilter(call.all("filter"), store));
  const rows = imageRows(records, store);
  const id = (row: ImageRow) => (call.is("no-trunc") ? row.id : shortId(row.id));
  if (call.is("quiet")) return [...new Set(rows.map((row) => `${id(row)}\n`))].join("");
  const shown = rows.map((row) => ({
    Repository: row.repository ?? "<none>",
    Tag: row.tag ?? "<none>",
    Digest: row.digest,
    ID: id(row),
    CreatedSince: ago(row.created),
    CreatedAt: createdAt(row.created),
    Size: row.problem === undefined ? formatSize(row.size, 3) : `damaged: ${row.problem}`,
  }));
  const digest = call.is("digests") ? "{{.Digest}}\t" : "";
  const usual = `table {{.Repository}}\t{{.Tag}}\t${digest}{{.ID}}\t{{.CreatedSince}}\t{{.Size}}`;
  const format = call.get("format") ?? "table";
  return formatRows(format === "table" ? usual : format, titles, shown);
}

const titles = {
  Repository: "REPOSITORY",
  Tag: "TAG",
  Digest: "DIGEST",
  ID: "IMAGE ID",
  CreatedSince: "CREATED",
  CreatedAt: "CREATED AT",
  Size: "SIZE",
};

/** `debian` is every tag of it, `debian:12` that one. */
function matches({ name }: ImageRecord, filter: string): boolean {
  if (name === undefined) return false;
  const have = parseReference(name);
  const want = parseRepositoryReference(filter);
  return (
    have.domain === want.domain &&
    have.path === want.path &&
    (want.tag === undefined || have.tag === want.tag) &&
    (want.digest === undefined || have.digest === want.digest)
  );
}
