import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { createSandbox, tool } from "./sandbox.ts";

const sandbox = createSandbox("hostile");

/** Every file of the store with its content, but for what says only that somebody was here. */
function storeContent(): Map<string, string> {
  const content = new Map<string, string>();
  let names: string[];
  try {
    names = readdirSync(sandbox.store, { recursive: true }) as string[];
  } catch {
    return content;
  }
  for (const name of names) {
    const path = join(sandbox.store, name);
    if (/^(logs|history|locks|leases|gc\.lock|run|contexts|trash)/.test(name) || !statSync(path).isFile())
      continue;
    content.set(name, createHash("sha256").update(readFileSync(path)).digest("hex"));
  }
  return content;
}

interface Entry {
  readonly name: string;
  readonly type?: string;
  readonly link?: string;
  readonly body?: string;
}

/** A tar by hand, because no tool writes what is wanted here. */
function tar(entries: readonly Entry[]): Buffer {
  const blocks: Buffer[] = [];
  for (const { name, type = "0", link = "", body = "" } of entries) {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write("0000644\0", 100);
    header.write("0000000\0", 108);
    header.write("0000000\0", 116);
    header.write(`${body.length.toString(8).padStart(11, "0")}\0`, 124);
    header.write("00000000000\0", 136);
    header.write("        ", 148);
    header.write(type, 156);
    header.write(link, 157);
    header.write("ustar\u000000", 257);
    header.write(
      `${header
        .reduce((a, b) => a + b, 0)
        .toString(8)
        .padStart(6, "0")}\0 `,
      148,
    );
    blocks.push(header, Buffer.from(body), Buffer.alloc((512 - (body.length % 512)) % 512));
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

async function refused(args: readonly string[], pattern: RegExp, input?: Uint8Array): Promise<void> {
  const before = storeContent();
  const output = await sandbox.run(args, input === undefined ? {} : { input });
  const what = `${args.join(" ")}\n${output.stdout}${output.stderr}`;
  assert.notEqual(output.code, 0, what);
  assert.match(output.stderr, pattern, what);
  assert.doesNotMatch(output.stderr, /\n {4}at |node:internal/, "a stack trace");
  assert.deepEqual(storeContent(), before, "the store changed");
}

describe("hostile input", () => {
  before(() => sandbox.ok(["import", "-", "good:1"], { input: tar([{ name: "file", body: "x" }]) }));

  test("root filesystems that reach out of the root", async () => {
    const outside = join(sandbox.directory, "outside");
    const cases: Record<string, readonly Entry[]> = {
      climbs: [{ name: "../outside", body: "x" }],
      "climbs inside": [{ name: "a/../../outside", body: "x" }],
      "through a symlink": [
        { name: "dir", type: "2", link: sandbox.directory },
        { name: "dir/../../outside", body: "x" },
      ],
      "a hardlink out": [{ name: "link", type: "1", link: "../../../etc/passwd" }],
      "a device": [{ name: "disk", type: "4" }],
      "links in a circle": [
        { name: "link", type: "1", link: "other" },
        { name: "other", type: "1", link: "link" },
      ],
    };
    for (const [name, entries] of Object.entries(cases))
      await refused(
        ["import", "-", `hostile:${name.replaceAll(" ", "-")}`],
        /ERROR: .*(outside|dir|link|disk)/,
        tar(entries),
      );
    assert.throws(() => statSync(outside));
  });

  test("a context with a file that is a hardlink to itself", async () => {
    const dockerfile = { name: "Dockerfile", body: "FROM scratch\nCOPY . /\n" };
    const out = join(sandbox.directory, "linked");
    const input = tar([dockerfile, { name: "link", type: "1", link: "link" }]);
    await sandbox.ok(["build", "-o", out, "-"], { input });
    assert.deepEqual(readdirSync(out), ["Dockerfile"]);
  });

  test("a corrupt gzip and a cut-off tar", async () => {
    const good = gzipSync(tar([{ name: "file", body: "x".repeat(5000) }]));
    const bad = Buffer.from(good);
    bad[Math.floor(bad.length / 2)] = (bad[Math.floor(bad.length / 2)] as number) ^ 0xff;
    await refused(["import", "-", "hostile:gzip"], /ERROR/, bad);
    await refused(["import", "-", "hostile:short"], /ERROR/, good.subarray(0, good.length - 20));
    await refused(["load"], /ERROR/, tar([{ name: "manifest.json", body: "{not json" }]));
    await refused(["load"], /ERROR/, Buffer.from("this is no archive"));
    await refused(["load", "-i", "/dev/zero"], /not an image archive: it is empty/);
  });

  test("an archive whose layer is not what its manifest says", async () => {
    const config = JSON.stringify({
      architecture: "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: [`sha256:${"0".repeat(64)}`] },
    });
    const manifest = JSON.stringify([{ Config: "config.json", RepoTags: ["lies:1"], Layers: ["layer.tar"] }]);
    const layer = tar([{ name: "file", body: "x" }]);
    const archive = tar([
      { name: "config.json", body: config },
      { name: "manifest.json", body: manifest },
      { name: "layer.tar", body: layer.toString("latin1") },
    ]);
    await refused(["load"], /ERROR: .*(sha256:0000|diff)/, archive);
  });

  test("Dockerfiles that are too large, circular, or name a stage that is not there", async () => {
    const big = sandbox.files("big", { Dockerfile: `FROM scratch\n${"# comment\n".repeat(1024 * 1024)}` });
    await refused(["build", big], /larger than 4 MiB/);
    const circle = sandbox.files("circle", {
      Dockerfile: "FROM scratch AS a\nCOPY --from=b / /\nFROM scratch AS b\nCOPY --from=a / /\n",
    });
    await refused(["build", circle], /circular dependency/);
    const unknown = sandbox.files("unknown", { Dockerfile: "FROM scratch AS builder\nCOPY Dockerfile /\n" });
    await refused(["build", "--target", "biulder", unknown], /biulder[\s\S]*did you mean.*builder/i);
    await refused(["build", join(sandbox.directory, "missing")], /not found/);
    const typo = sandbox.files("typo", { Dockerfile: "FORM scratch\n" });
    await refused(
      ["build", typo],
      /Dockerfile:1[\s\S]*>>> FORM scratch[\s\S]*unknown instruction: FORM[\s\S]*FROM/,
    );
    const later = sandbox.files("later", {
      Dockerfile: "FROM scratch\nADD --checksum=sha256:x https://x/y /\n",
    });
    await refused(["build", later], /Dockerfile:2[\s\S]*>>> ADD/);
  });

  test("files of the caller that have no end, that nobody writes, or that are none", {
    timeout: 120_000,
  }, async () => {
    const pipe = join(sandbox.directory, "pipe");
    await tool("mkfifo", [pipe]);
    const mounts = sandbox.files("mounts", {
      Dockerfile: "FROM scratch\nADD --checksum=sha256:x https://x/y /\n",
    });
    const plain = sandbox.files("plain", { Dockerfile: "FROM scratch\nCOPY Dockerfile /\n" });
    await refused(["build", mounts, "--secret=id=s,src=/"], /cannot read the secret \/: it is a directory/);
    await refused(["build", "-f", "/dev/zero", plain], /\/dev\/zero is larger than 4 MiB/);
    await refused(["build", "-f", pipe, plain], /failed to read dockerfile: .*pipe that nobody writes to/);
    await refused(["plan", "-f", pipe, plain], /failed to read dockerfile: .*pipe that nobody writes to/);
    const ignoring = sandbox.files("ignoring", { Dockerfile: "FROM scratch\nCOPY . /\n" });
    await tool("mkfifo", [join(ignoring, ".dockerignore")]);
    await refused(["build", ignoring], /failed to read \.dockerignore: it is a pipe that nobody writes to/);
    await refused(["build", plain, "--build-context", `other=${ignoring}`], /failed to read \.dockerignore/);
  });

  test("places where nothing can be made", { timeout: 120_000 }, async () => {
    const plain = sandbox.files("plain", { Dockerfile: "FROM scratch\nCOPY Dockerfile /\n" });
    await sandbox.ok(["build", plain]);
    const nowhere = "/proc/x/y";
    for (const output of [
      nowhere,
      `type=tar,dest=${nowhere}/a.tar`,
      `type=oci,dest=${nowhere}/a.tar`,
      `type=oci,tar=false,dest=${nowhere}`,
    ])
      await refused(["build", "-o", output, plain], /\/proc\/x: no such file or directory/);
    await refused(["build", "--metadata-file", `${nowhere}/m`, plain], /cannot write \/proc\/x\/y\/m: /);
    await refused(["build", "--iidfile", `${nowhere}/i`, plain], /cannot write \/proc\/x\/y\/i: /);
    await refused(["save", "-o", `${nowhere}/s`, "good:1"], /\/proc\/x/);
    await refused(["images", "--root", nowhere], /the store at \/proc\/x\/y cannot be used/);
    await refused(
      ["create", "-v", `${nowhere}:/data`, "good:1", "/x"],
      /cannot use \/proc\/x\/y as a volume/,
    );
  });
});
