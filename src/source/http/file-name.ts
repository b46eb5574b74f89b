import { posix } from "node:path";
import { percentDecoded } from "../../core/index.ts";

/**
 * What a downloaded file is called: what the build says, else what the server says (`Content-Disposition`), else the last
 * part of the URL's path. Never a path, and never nothing.
 */
export function downloadName(url: string, wanted: string, disposition: string | undefined): string {
  return safe(wanted) ?? safe(dispositionName(disposition)) ?? safe(lastPart(url)) ?? "download";
}

function safe(name: string | undefined): string | undefined {
  if (name === undefined || name.endsWith("/")) return undefined;
  const base = posix.basename(name).replaceAll("\0", "");
  return base === "" || base === "." || base === ".." ? undefined : base;
}

function lastPart(url: string): string | undefined {
  const path = URL.parse(url)?.pathname;
  return path === undefined ? undefined : percentDecoded(path);
}

/** `attachment; filename="a b.txt"`, or its form for other alphabets: `filename*=UTF-8''a%20b.txt`. */
function dispositionName(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const extended = /;\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]+)/i.exec(header)?.[1];
  if (extended !== undefined)
    try {
      return decodeURIComponent(extended);
    } catch {
      // Written wrongly: the plain form may be there too.
    }
  const [, quoted, bare] = /;\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]+))/i.exec(header) ?? [];
  return quoted?.replace(/\\(.)/g, "$1") ?? bare;
}
