import { readFileSync } from "node:fs";
import { BuildError, digestOfFields, hostPlatform, parseReference } from "../core/index.ts";

export type BootstrapVariant = "minbase" | "essential";

/** What a bootstrapped image is made from; equal recipes share one cached root filesystem. */
export type BootstrapRecipe =
  | {
      readonly kind: "debian";
      readonly suite: string;
      /** Without documentation and translations. */
      readonly slim: boolean;
      /** `minbase` has apt, `essential` only what every Debian has. */
      readonly variant: BootstrapVariant;
      /** Further packages, in byte order. */
      readonly include: readonly string[];
    }
  | { readonly kind: "busybox" };

export interface RecipeOptions {
  readonly suite?: string;
  readonly include?: readonly string[];
  readonly variant?: BootstrapVariant;
}

/**
 * Times in a bootstrapped root filesystem are no later than this (seconds since the epoch), so that the same packages give
 * the same bytes.
 */
export const bootstrapEpoch = Date.UTC(2025, 0, 1) / 1000;

/** Raised when the same recipe begins to give other files. */
const recipeVersion = 2;

/** Suites by the number that image tags use. */
const suitesByNumber: Readonly<Record<string, string>> = {
  "11": "bullseye",
  "12": "bookworm",
  "13": "trixie",
};

/** Package names, with an optional version or suite as apt takes them; nothing that apt reads as a pattern or option. */
const packagePattern = /^[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?(=[A-Za-z0-9.+:~-]+|\/[a-z0-9-]+)?$/;

/**
 * The recipe that a base name means: `debian`, `debian:bookworm`, `debian:12-slim`, `busybox`.
 * Throws `invalid-argument` for what cannot be made.
 */
export function recipeOf(base: string, options: RecipeOptions = {}): BootstrapRecipe {
  const { path, tag = "latest" } = parseReference(base);
  const include = [...new Set(options.include ?? [])].sort();
  for (const name of include)
    if (!packagePattern.test(name))
      throw new BuildError("invalid-argument", `${JSON.stringify(name)} is not the name of a Debian package`);
  if (path === "library/busybox") {
    if (include.length > 0 || options.suite !== undefined)
      throw new BuildError(
        "invalid-argument",
        "busybox is a single program: no packages and no suite can be chosen",
        {
          hint: "begin with debian:bookworm-slim to include packages",
        },
      );
    return { kind: "busybox" };
  }
  if (path !== "library/debian")
    throw new BuildError("invalid-argument", `${base} cannot be bootstrapped`, {
      hint: "what can be made from Debian's packages: busybox, debian:SUITE, debian:SUITE-slim; give it another name with --name",
    });
  const slim = tag === "slim" || tag.endsWith("-slim");
  const named = tag.replace(/-?slim$/, "");
  const suite =
    options.suite ?? (named === "" || named === "latest" ? ownSuite() : (suitesByNumber[named] ?? named));
  if (!/^[a-z][a-z0-9-]*$/.test(suite))
    throw new BuildError("invalid-argument", `${JSON.stringify(suite)} is not the name of a Debian suite`, {
      hint: "suites are bookworm, trixie, sid, …",
    });
  return { kind: "debian", suite, slim, variant: options.variant ?? "minbase", include };
}

/** Names the cached root filesystem: the recipe, and where the packages come from. */
export function recipeKey(recipe: BootstrapRecipe, sources: readonly string[]): string {
  const digest = digestOfFields(
    recipeVersion,
    hostPlatform().architecture,
    JSON.stringify(recipe),
    bootstrapEpoch,
    ...sources,
  );
  return digest.slice("sha256:".length);
}

/** One line for labels and messages: `debian bookworm minbase slim with gcc libc6-dev`. */
export function describeRecipe(recipe: BootstrapRecipe): string {
  if (recipe.kind === "busybox") return "busybox-static";
  const { suite, variant, slim, include } = recipe;
  const extra = include.length === 0 ? "" : ` with ${include.join(" ")}`;
  return `debian ${suite} ${variant}${slim ? " slim" : ""}${extra}`;
}

/** The suite of the machine itself when that is a Debian, else the stable one. */
export function ownSuite(): string {
  try {
    const text = readFileSync("/etc/os-release", "utf8");
    const codename = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(text)?.[1];
    if (/^ID="?debian"?$/m.test(text) && codename !== undefined) return codename;
  } catch {
    // Not every system says what it is.
  }
  return "stable";
}
