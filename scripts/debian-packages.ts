import { spawnSync } from "node:child_process";

/** What a build with RUN steps and base images from Debian needs. */
export const runtimePackages = ["crun", "mmdebstrap", "debian-archive-keyring", "ca-certificates"] as const;

/** What the tests need beside that: real peers that read what we write and write what we read. */
export const testPackages = [
  ...runtimePackages,
  "apache2-utils",
  "attr",
  "busybox-static",
  "bzip2",
  "containerd",
  "docker-registry",
  "docker.io",
  "fish",
  "fuse-overlayfs",
  "git",
  "iptables",
  "libcap2-bin",
  "libxml2-utils",
  "openssh-client",
  "openssh-server",
  "patch",
  "procps",
  "runc",
  "skopeo",
  "uidmap",
  "passt",
  "slirp4netns",
  "umoci",
  "xz-utils",
  "zsh",
] as const;

/**
 * Sees to it that Debian packages are installed: through apt when this is root on Debian, otherwise by saying what is
 * missing. Returns the missing ones; empty when all is there.
 */
export function ensureDebianPackages(names: readonly string[]): readonly string[] {
  let missing = missingPackages(names);
  if (missing.length === 0) return missing;
  const isRoot = process.getuid?.() === 0;
  if (isRoot && spawnSync("apt-get", ["--version"]).status === 0) {
    process.stderr.write(`Installing Debian packages: ${missing.join(" ")}\n`);
    aptGet("update");
    aptGet("install", "--yes", "--no-install-recommends", ...missing);
    missing = missingPackages(names);
  }
  if (missing.length > 0) {
    process.stderr.write(
      `These Debian packages are missing: ${missing.join(" ")}\nInstall them with:\n  sudo apt-get install ${missing.join(" ")}\n`,
    );
  }
  return missing;
}

function missingPackages(names: readonly string[]): readonly string[] {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own syntax
  const query = spawnSync("dpkg-query", ["-W", "-f", "${Package} ${db:Status-Status}\\n", ...names], {
    encoding: "utf8",
  });
  const installed = new Set(
    (query.stdout ?? "")
      .split("\n")
      .filter((line) => line.endsWith(" installed"))
      .map((line) => line.split(" ")[0]),
  );
  return names.filter((name) => !installed.has(name));
}

function aptGet(...args: string[]): void {
  // A daemon must not be started by being installed.
  const noStart = [
    "-o",
    "Acquire::Retries=5",
    "-o",
    "Dpkg::Use-Pty=0",
    "-o",
    "DPkg::Lock::Timeout=300",
    "-q",
  ];
  spawnSync("apt-get", [...noStart, ...args], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" },
  });
}
