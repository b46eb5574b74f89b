import { createHash } from "node:crypto";
import { createWriteStream, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { BuildError, type Digest, defined, digestOfFields, shownUrl } from "../../core/index.ts";
import { discard, type HttpResponse, openTransport } from "../../registry/index.ts";
import type { RemoteSource, RemoteStores, RemoteWork } from "../remote.ts";
import { downloadName } from "./file-name.ts";
import { type Download, recall, remember } from "./memory.ts";
import { get, lineError } from "./request.ts";

/** A file to be fetched, as an LLB source describes it. */
export interface HttpFile {
  readonly url: string;
  /** Its name in the layer; empty: what the server or the URL calls it. */
  readonly filename: string;
  readonly checksum?: Digest;
  /** Permission bits; 0600 as in BuildKit when left out. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Name of the secret that is the `Authorization` header. */
  readonly authHeaderSecret?: string;
}

/** Milliseconds without a byte after which a server counts as gone. */
const idleTimeout = 60_000;

/**
 * The file behind a URL, as a layer that holds it. With a checksum nothing is asked for before the file is needed. Without
 * one the server is asked each time, with the entity tag of what is here, and the file's digest is the key.
 */
export function httpSource(file: HttpFile, stores: RemoteStores): RemoteSource {
  let download: Promise<Download> | undefined;
  const fetched = (work: RemoteWork): Promise<Download> => {
    download ??= fetchFile(file, stores, work);
    return download;
  };
  return {
    async key(work) {
      const { filename, digest, modified } =
        file.checksum === undefined
          ? await fetched(work)
          : {
              filename: downloadName(file.url, file.filename, undefined),
              digest: file.checksum,
              modified: "",
            };
      const { mode = 0o600, uid = 0, gid = 0, authHeaderSecret = "" } = file;
      const key = digestOfFields(
        "http",
        1,
        filename,
        mode,
        uid,
        gid,
        digest,
        modified ?? "",
        authHeaderSecret,
      );
      return { key, ingredients: [{ name: `content of ${shownUrl(file.url)}`, value: digest }] };
    },
    layer: async (work) => (await fetched(work)).layer,
  };
}

async function fetchFile(file: HttpFile, stores: RemoteStores, work: RemoteWork): Promise<Download> {
  const { mode = 0o600, uid = 0, gid = 0 } = file;
  const key = digestOfFields("download", 1, file.url, file.filename, mode, uid, gid);
  const remembered = recall(stores.root, key);
  const known =
    remembered !== undefined && stores.layers.record(remembered.layer) !== undefined ? remembered : undefined;
  if (known !== undefined && known.digest === file.checksum) return known;
  const transport = openTransport({ env: process.env, idleTimeout });
  try {
    const headers = {
      ...(await authorization(file, work)),
      ...(known?.etag === undefined ? {} : { "if-none-match": known.etag }),
    };
    const response = await get(transport, { url: file.url, headers, signal: work.signal });
    if (known !== undefined && isSame(known, response)) {
      discard(response);
      return matching(file, known);
    }
    if (response.status === 304)
      throw new BuildError(
        "unavailable",
        `${shownUrl(file.url)}: invalid response status 304 to an unconditional request`,
      );
    const download = await take(file, response, stores, work);
    remember(stores.root, key, download);
    return download;
  } finally {
    transport.close();
  }
}

/** Some servers send the whole file although it has the tag that was named. */
function isSame({ etag }: Download, { status, headers }: HttpResponse): boolean {
  const sent = headers.etag === undefined ? undefined : plainTag(headers.etag);
  return etag !== undefined && (status === 304 ? sent === undefined || sent === etag : sent === etag);
}

function plainTag(tag: string): string {
  return tag.replace(/^W\//, "");
}

function matching(file: HttpFile, download: Download): Download {
  if (file.checksum === undefined || file.checksum === download.digest) return download;
  throw new BuildError(
    "failed-precondition",
    `digest mismatch for ${shownUrl(file.url)}: ${download.digest} (expected: ${file.checksum})`,
    { hint: "the file has changed, or it is not the one that was meant" },
  );
}

/** Streams the body into a file, hashed on the way, and makes a layer of it. */
async function take(
  file: HttpFile,
  response: HttpResponse,
  stores: RemoteStores,
  work: RemoteWork,
): Promise<Download> {
  await stores.begin();
  const directory = stores.content.temporary();
  const filename = downloadName(file.url, file.filename, response.headers["content-disposition"]);
  const modified = Date.parse(response.headers["last-modified"] ?? "");
  const seconds = Number.isNaN(modified) ? undefined : Math.floor(modified / 1000);
  const { mode = 0o600, uid = 0, gid = 0 } = file;
  try {
    mkdirSync(directory, { mode: 0o700 });
    const target = join(directory, filename);
    writeFileSync(target, "", { mode });
    const digest = await save(file.url, filename, response, target, work);
    matching(file, { digest, filename, layer: "" as Download["layer"] });
    const layer = await stores.layers.fromDirectory(directory, {
      ...{ uid, gid, mode, mtime: seconds ?? 0 },
      signal: work.signal,
    });
    const { etag } = response.headers;
    return {
      ...(etag === undefined ? {} : { etag: plainTag(etag) }),
      ...defined({ modified: seconds }),
      ...{ digest, filename, layer },
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function save(
  url: string,
  filename: string,
  { headers, body }: HttpResponse,
  target: string,
  work: RemoteWork,
): Promise<Digest> {
  const hash = createHash("sha256");
  const total = Number(headers["content-length"] ?? 0) || 0;
  let current = 0;
  let failedWriting = false;
  const out = createWriteStream(target, { flags: "r+" });
  out.on("error", () => {
    failedWriting = true;
  });
  try {
    await pipeline(
      body,
      async function* (pieces: AsyncIterable<Buffer>) {
        for await (const piece of pieces) {
          hash.update(piece);
          current += piece.length;
          work.progress(`downloading ${filename}`, current, total, false);
          yield piece;
        }
      },
      out,
      { signal: work.signal },
    );
  } catch (error) {
    if (work.signal.aborted || failedWriting) throw error;
    if ((error as NodeJS.ErrnoException).code === "ECONNRESET")
      throw new BuildError(
        "unavailable",
        `${shownUrl(url)}: the connection ended after ${current} of ${total || "?"} bytes`,
        { hint: "check the network, and try again", cause: error },
      );
    throw lineError(url, error);
  }
  work.progress(`downloading ${filename}`, current, total, true);
  return `sha256:${hash.digest("hex")}`;
}

/** What the caller's secrets say for this host, by the names that BuildKit looks for. */
async function authorization(file: HttpFile, work: RemoteWork): Promise<Record<string, string>> {
  const host = URL.parse(file.url)?.hostname ?? "";
  if (file.authHeaderSecret !== undefined) {
    const header = await work.secret(file.authHeaderSecret);
    if (header !== undefined) return { authorization: header.toString().trim() };
    throw new BuildError("not-found", `secret ${file.authHeaderSecret}: not found`);
  }
  const token = await work.secret(`HTTP_AUTH_TOKEN_${host}`);
  if (token !== undefined) return { authorization: `Bearer ${token.toString().trim()}` };
  const header = await work.secret(`HTTP_AUTH_HEADER_${host}`);
  return header === undefined ? {} : { authorization: header.toString().trim() };
}
