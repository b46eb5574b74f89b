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
  ia32: ["386"],
  i386: ["386"],
  "386": ["386"],
};

/** The platform of this machine; always `linux`, because images are. */
export function hostPlatform(): Platform {
  const [architecture, variant] = architectures[process.arch] ?? [process.arch];
  return variant === undefined ? { os: "linux", architecture } : { os: "linux", architecture, variant };
}

const knownSystems = new Set(
  "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos".split(
    " ",
  ),
);

const knownArchitectures = new Set(
  (
    "386 amd64 amd64p32 arm armbe arm64 arm64be ppc64 ppc64le loong64 mips mipsle mips64 mips64le mips64p32 " +
    "mips64p32le ppc riscv riscv64 s390 s390x sparc sparc64 wasm"
  ).split(" "),
);

const systemPattern = "^([A-Za-z0-9_-]+)(?:\\(([A-Za-z0-9_.-]*)\\))?$";
const partPattern = "^[A-Za-z0-9_.-]+$";

/** Parses `os[(version)][/arch[/variant]]` or a lone architecture. Throws `invalid-argument`, in containerd's words. */
export function parsePlatform(text: string): Platform {
  const { os, architecture, variant, ...rest } = parsePlatformAsWritten(text);
  return { ...normalise(os, architecture, variant), ...rest };
}

/**
 * The same with the variant as containerd leaves it where nothing asks it to normalise: `linux/arm` has none, and
 * `linux/arm64/v8` keeps its own. The source of a `FROM --platform` has this one.
 */
export function parsePlatformAsWritten(text: string): Platform {
  const shown = JSON.stringify(text);
  if (text.includes("*")) throw invalidPlatform(`${shown}: wildcards not yet supported`);
  const [first, ...others] = text.split("/") as [string, ...string[]];
  const system = new RegExp(systemPattern).exec(first);
  if (system === null)
    throw invalidPlatform(
      `${JSON.stringify(first)} is an invalid OS component of ${shown}: OSAndVersion specifier component must ` +
        `match ${JSON.stringify(systemPattern)}`,
    );
  const bad = others.find((part) => !new RegExp(partPattern).test(part));
  if (bad !== undefined)
    throw invalidPlatform(
      `${JSON.stringify(bad)} is an invalid component of ${shown}: platform specifier component must match ` +
        JSON.stringify(partPattern),
    );
  if (others.length > 2) throw invalidPlatform(`${shown}: cannot parse platform specifier`);
  const os = systemName(system[1]!);
  const version = system[2] ? { "os.version": system[2] } : {};
  const [arch, variant] = others.map((part) => part.toLowerCase());
  if (arch !== undefined) return { ...asWritten(os, arch, variant), ...version };
  if (knownSystems.has(os)) return { ...hostPlatform(), os, ...version };
  const alone = asWritten("linux", first.toLowerCase(), undefined);
  if (!knownArchitectures.has(alone.architecture))
    throw invalidPlatform(`${shown}: unknown operating system or architecture`);
  return alone;
}

function invalidPlatform(problem: string): BuildError {
  return new BuildError("invalid-argument", `${problem}: invalid argument`, {
    hint: "a platform reads like linux/amd64 or linux/arm/v7",
  });
}

function asWritten(os: string, arch: string, given: string | undefined): Platform {
  const { variant, ...rest } = normalise(os, arch, given);
  const { architecture } = rest;
  if (given === undefined && architecture === "arm" && variant === "v7") return rest;
  if (given !== undefined && architecture === "arm64") return { ...rest, variant: variant ?? "v8" };
  return variant === undefined ? rest : { ...rest, variant };
}

function systemName(name: string): string {
  const lower = name.toLowerCase();
  return lower === "macos" ? "darwin" : lower;
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
  const [architecture, fixed] = architectures[arch] ?? [arch];
  const variant = fixed ?? normalVariant(architecture, given);
  return variant === undefined ? { os, architecture } : { os, architecture, variant };
}

function normalVariant(architecture: string, variant: string | undefined): string | undefined {
  switch (architecture) {
    case "386":
      return undefined;
    case "amd64":
      return variant === "v1" ? undefined : variant;
    case "arm64":
      if (variant !== undefined && /^(v?8|v8\.0)$/.test(variant)) return undefined;
      return variant !== undefined && /^(9(\.0)?|v9\.0)$/.test(variant) ? "v9" : variant;
    case "arm":
      if (variant === undefined) return "v7";
      return /^[5-8]$/.test(variant) ? `v${variant}` : variant;
    default:
      return variant;
  }
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
