import { BuildError } from "./errors.ts";

/** An OCI platform, normalised as containerd does (amd64, arm64 without variant, arm/v7). */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly "os.version"?: string;
  readonly "os.features"?: readonly string[];
}

const architectures: Readonly<Record<string, readonly [string, string?]>> = {
  x64: ["amd64"],
  x86_64: ["amd64"],
  "x86-64": ["amd64"],
  amd64: ["amd64"],
  arm64: ["arm64"],
  aarch64: ["arm64"],
  armhf: ["arm", "v7"],
  armel: ["arm", "v6"],
  arm: ["arm", "v7"],
  ia32: ["386"],
  i386: ["386"],
  "386": ["386"],
};

/** The platform of this machine; always `linux`, because images are. */
export function hostPlatform(): Platform {
  const [architecture, variant] = architectures[process.arch] ?? [process.arch];
  return variant === undefined ? { os: "linux", architecture } : { os: "linux", architecture, variant };
}

const platformHint = "a platform reads like linux/amd64 or linux/arm/v7";

/** What can stand alone, for Linux on that machine. */
const knownArchitectures: ReadonlySet<string> = new Set(
  "386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x wasm".split(" "),
);

/** Parses `os[/arch[/variant]]` or a lone architecture. Throws `invalid-argument`. */
export function parsePlatform(text: string): Platform {
  const parts = text.toLowerCase().split("/");
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9_.-]+(\([^)]*\))?$/.test(part)))
    throw new BuildError(
      "invalid-argument",
      `${JSON.stringify(text)}: cannot parse platform specifier: invalid argument`,
      { hint: platformHint },
    );
  const [first = "", second, third] = parts;
  if (second === undefined) {
    if (first === "linux" || first === "windows") return { ...hostPlatform(), os: first };
    if (!knownArchitectures.has(first) && architectures[first] === undefined)
      throw new BuildError(
        "invalid-argument",
        `${JSON.stringify(text)}: unknown operating system or architecture: invalid argument`,
        { hint: platformHint },
      );
    return normalise("linux", first, undefined);
  }
  return normalise(first, second, third);
}

/**
 * Parses what `--platform` takes: platforms with commas between them, `local` for this machine. Each is given once.
 * Throws `invalid-argument`.
 */
export function parsePlatforms(text: string): readonly Platform[] {
  const platforms = text.split(",").map((part) => {
    const name = part.trim();
    return name.toLowerCase() === "local" ? hostPlatform() : parsePlatform(name);
  });
  return [...new Map(platforms.map((platform) => [formatPlatform(platform), platform])).values()];
}

function normalise(os: string, arch: string, given: string | undefined): Platform {
  const [architecture, fallback] = architectures[arch] ?? [arch];
  let variant = given ?? fallback;
  if (architecture === "arm64" && (variant === "v8" || variant === "8")) variant = undefined;
  if (architecture === "amd64" && variant === "v1") variant = undefined;
  if (architecture === "arm" && variant !== undefined && /^\d+$/.test(variant)) variant = `v${variant}`;
  return variant === undefined ? { os, architecture } : { os, architecture, variant };
}

/** `os/arch[/variant]`. */
export function formatPlatform(platform: Platform): string {
  const base = `${platform.os}/${platform.architecture}`;
  return platform.variant ? `${base}/${platform.variant}` : base;
}

/** Whether an image for `have` runs where `want` is asked for. */
export function platformMatches(have: Platform, want: Platform): boolean {
  const a = normalise(have.os, have.architecture, have.variant);
  const b = normalise(want.os, want.architecture, want.variant);
  return a.os === b.os && a.architecture === b.architecture && (a.variant ?? "") === (b.variant ?? "");
}
