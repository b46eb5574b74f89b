import { type Digest, parseDigest } from "./digest.ts";
import { BuildError } from "./errors.ts";

/**
 * An image reference in normalised form: `ubuntu` is `docker.io/library/ubuntu`. It has a tag, a digest or
 * both; where both are given, the digest says which image is meant.
 */
export interface Reference {
  /** Registry host with optional port: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly domain: string;
  /** Repository inside the registry: `library/ubuntu`. */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

const defaultDomain = "docker.io";
const legacyDomain = "index.docker.io";
const officialPrefix = "library/";
const defaultTag = "latest";

/** Longest repository path that registries accept. */
const maxPathLength = 255;
/** No valid reference is near this; it bounds the work of the patterns below. */
const maxTextLength = 2048;

const domainComponent = "(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)";
const domainPattern = `(?:${domainComponent}(?:\\.${domainComponent})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const pathComponent = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const tagPattern = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
const digestPattern = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";

const referenceRegExp = new RegExp(
  `^(${domainPattern})/(${pathComponent}(?:/${pathComponent})*)(?::(${tagPattern}))?(?:@(${digestPattern}))?$`,
);

/**
 * Parses a reference as `docker` does and normalises it. Without tag and digest the tag is `latest`.
 * Throws `invalid-argument` with the text that docker's users know (`invalid reference format: …`).
 */
export function parseReference(text: string): Reference {
  const parsed = parseRepositoryReference(text);
  if (parsed.tag !== undefined || parsed.digest !== undefined) return parsed;
  return { ...parsed, tag: defaultTag };
}

/** As `parseReference`, but a bare name stays without tag (for commands that list or match repositories). */
export function parseRepositoryReference(text: string): Reference {
  if (/^[a-f0-9]{64}$/.test(text))
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  if (text.length > maxTextLength)
    throw invalid("invalid reference format: longer than any reference can be");
  const { domain, remainder } = splitDomain(text);
  const repository = remainder.split(":", 1)[0]!;
  if (repository.toLowerCase() !== repository)
    throw invalid(`invalid reference format: repository name (${repository}) must be lowercase`, {
      hint: "names of images are in lower case",
    });
  const match = referenceRegExp.exec(`${domain}/${remainder}`);
  if (!match) {
    const scheme = /^https?:\/\//.exec(text)?.[0];
    throw scheme === undefined
      ? invalid("invalid reference format", { value: text })
      : invalid("invalid reference format", {
          hint: `names of images have no ${scheme}: ${text.slice(scheme.length)}`,
        });
  }
  const [, , path = "", tag, digest] = match;
  if (path.length > maxPathLength)
    throw invalid(
      `invalid reference format: repository name must not be more than ${maxPathLength} characters`,
    );
  return {
    domain,
    path,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest: parseDigest(digest, "invalid reference format") }),
  };
}

/** The first part of a name is a registry when it looks like a host; everything else is on Docker Hub. */
function splitDomain(name: string): { domain: string; remainder: string } {
  const slash = name.indexOf("/");
  if (slash < 0) return { domain: defaultDomain, remainder: officialPrefix + name };
  const first = name.slice(0, slash);
  const rest = name.slice(slash + 1);
  const isHost = first === "localhost" || /[.:]/.test(first) || first.toLowerCase() !== first;
  const domain = !isHost || first === legacyDomain ? defaultDomain : first;
  const remainder = isHost ? rest : name;
  if (domain === defaultDomain && !remainder.includes("/"))
    return { domain, remainder: officialPrefix + remainder };
  return { domain, remainder };
}

/** `domain/path`, without tag and digest. */
export function repositoryOf(reference: Reference): string {
  return `${reference.domain}/${reference.path}`;
}

/** Full normalised form: `docker.io/library/ubuntu:22.04`, with tag and digest where given. */
export function formatReference(reference: Reference): string {
  return repositoryOf(reference) + suffix(reference);
}

/** Short form for people: `ubuntu:22.04`, `me/app:1`, `ghcr.io/me/app:1`. */
export function familiarReference(reference: Reference): string {
  return familiarRepository(reference) + suffix(reference);
}

/** Short form of the repository alone, as the first column of `images` shows it. */
export function familiarRepository(reference: Reference): string {
  if (reference.domain !== defaultDomain) return repositoryOf(reference);
  const { path } = reference;
  if (!path.startsWith(officialPrefix)) return path;
  const name = path.slice(officialPrefix.length);
  return name.includes("/") ? path : name;
}

function suffix({ tag, digest }: Reference): string {
  return (tag === undefined ? "" : `:${tag}`) + (digest === undefined ? "" : `@${digest}`);
}

function invalid(message: string, extra: { hint?: string; value?: string } = {}): BuildError {
  const hint =
    extra.hint ??
    (extra.value === undefined ? undefined : `not an image name: ${JSON.stringify(extra.value)}`);
  return new BuildError("invalid-argument", message, { hint });
}
