import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { BuildError, formatPlatform, hostPlatform, type Platform } from "../core/index.ts";
import type { Mount } from "./types.ts";

/** How programs of a platform run on this machine. */
export type Emulation =
  | { readonly kind: "native" }
  /** The kernel starts an interpreter that it holds open (flag F of binfmt_misc). */
  | { readonly kind: "kernel"; readonly interpreter: string }
  /** The kernel starts an interpreter by its path, which has to exist where the program runs. */
  | { readonly kind: "mounted"; readonly interpreter: string }
  | { readonly kind: "none" };

/** Class, byte order (1: little endian) and machine of the ELF header, by architecture. */
const elf: Readonly<Record<string, readonly [bits: 32 | 64, order: 1 | 2, machine: number]>> = {
  "386": [32, 1, 3],
  amd64: [64, 1, 62],
  arm: [32, 1, 40],
  arm64: [64, 1, 183],
  loong64: [64, 1, 258],
  mips64le: [64, 1, 8],
  mips64: [64, 2, 8],
  ppc64le: [64, 1, 21],
  ppc64: [64, 2, 21],
  riscv64: [64, 1, 243],
  s390x: [64, 2, 22],
};

/** Older architectures that processors of a newer one run too. */
const also: Readonly<Record<string, readonly string[]>> = { amd64: ["386"], arm64: ["arm"] };

/** Finds out how programs for `platform` run here. `directory` is where binfmt_misc is mounted. */
export function emulationOf(
  platform: Platform,
  directory = "/proc/sys/fs/binfmt_misc",
  host = hostPlatform(),
): Emulation {
  const { architecture } = platform;
  if (platform.os !== host.os) return { kind: "none" };
  if (architecture === host.architecture || also[host.architecture]?.includes(architecture))
    return { kind: "native" };
  const header = elfHeader(architecture);
  if (header === undefined || text(join(directory, "status")).trim() !== "enabled") return { kind: "none" };
  for (const name of namesIn(directory)) {
    const entry = parseEntry(text(join(directory, name)));
    if (entry === undefined || !matches(entry, header)) continue;
    if (entry.flags.includes("F")) return { kind: "kernel", interpreter: entry.interpreter };
    if (isFile(entry.interpreter)) return { kind: "mounted", interpreter: entry.interpreter };
  }
  return { kind: "none" };
}

/** What has to be mounted beside the root filesystem for the emulation to work. */
export function emulatorMounts(emulation: Emulation): readonly Mount[] {
  if (emulation.kind !== "mounted") return [];
  const { interpreter } = emulation;
  return [{ type: "bind", source: interpreter, target: interpreter, readonly: true }];
}

/** The error of a program for a platform that this machine can neither run nor emulate. */
export function cannotEmulate(platform: Platform, why: string, details: BuildError["details"]): BuildError {
  const [wanted, here] = [platform, hostPlatform()].map(formatPlatform);
  const hint =
    platform.os === "linux"
      ? `register an emulator in binfmt_misc: on Debian and Ubuntu \`apt-get install qemu-user-static\`; or run the step on this machine's platform with FROM --platform=$BUILDPLATFORM and compile for $TARGETPLATFORM`
      : "only steps of Linux images can run";
  return new BuildError(
    "failed-precondition",
    `this machine is ${here} and has no emulator for ${wanted}: ${why}`,
    { hint, details },
  );
}

interface Entry {
  readonly interpreter: string;
  readonly flags: string;
  readonly offset: number;
  readonly magic: Buffer;
  readonly mask: Buffer;
}

/** An entry as the kernel prints it; undefined for disabled ones and for those that go by a file's extension. */
function parseEntry(content: string): Entry | undefined {
  const field = (name: string) => new RegExp(`^${name}:? (.*)$`, "m").exec(content)?.[1]?.trim();
  const [interpreter, magic] = [field("interpreter"), field("magic")];
  if (!content.startsWith("enabled") || interpreter === undefined || magic === undefined) return undefined;
  const bytes = Buffer.from(magic, "hex");
  const mask = field("mask");
  return {
    interpreter,
    flags: field("flags") ?? "",
    offset: Number(field("offset") ?? 0),
    magic: bytes,
    mask: mask === undefined ? Buffer.alloc(bytes.length, 0xff) : Buffer.from(mask, "hex"),
  };
}

function matches({ offset, magic, mask }: Entry, header: Buffer): boolean {
  if (offset + magic.length > header.length) return false;
  return magic.every((byte, i) => (header[offset + i]! & mask[i]!) === (byte & mask[i]!));
}

/** The beginning of a static program for an architecture, as far as binfmt_misc looks. */
function elfHeader(architecture: string): Buffer | undefined {
  const known = elf[architecture];
  if (known === undefined) return undefined;
  const [bits, order, machine] = known;
  const header = Buffer.alloc(128);
  header.set([0x7f, 0x45, 0x4c, 0x46, bits / 32, order, 1]);
  const executable = 2;
  if (order === 1) {
    header.writeUInt16LE(executable, 16);
    header.writeUInt16LE(machine, 18);
    header.writeUInt32LE(1, 20);
  } else {
    header.writeUInt16BE(executable, 16);
    header.writeUInt16BE(machine, 18);
    header.writeUInt32BE(1, 20);
  }
  return header;
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).filter((name) => name !== "status" && name !== "register");
  } catch {
    return []; // not mounted
  }
}

function text(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
