import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { detectNetworkTool } from "./network.ts";
import { hostsFile } from "./network-files.ts";

/** Which program is taken where there are two that print these as their versions. */
function chosen(pasta: string | undefined, slirp: string | undefined): string {
  const directory = mkdtempSync(join(tmpdir(), "network-"));
  const path = process.env.PATH;
  try {
    for (const [name, version] of [
      ["pasta", pasta],
      ["slirp4netns", slirp],
    ] as const)
      if (version !== undefined)
        writeFileSync(join(directory, name), `#!/bin/sh\nprintf '${version}'\n`, { mode: 0o755 });
    process.env.PATH = directory;
    return detectNetworkTool().kind;
  } finally {
    process.env.PATH = path;
    rmSync(directory, { recursive: true });
  }
}

test("a recent pasta is better than slirp4netns, and that than an old pasta", () => {
  const slirp = "slirp4netns version 1.2.0\\n";
  for (const recent of ["0.0~git20250503.587980c-2", "2025_05_03.587980c", "0^20260112.g587980c-1.fc43"])
    assert.equal(chosen(`pasta ${recent}\\nCopyright 2020\\n`, slirp), "pasta", recent);
  assert.equal(chosen("", slirp), "pasta", "one that does not flush what it prints");
  for (const version of ["unknown version", "0.0~git20240220.1e6f92b", "2024_02_20.1e6f92b"]) {
    const old = `pasta ${version}\\nCopyright 2025_05_03\\n`;
    assert.equal(chosen(old, slirp), "slirp4netns", old);
    assert.equal(chosen(old, undefined), "pasta", old);
  }
  assert.equal(chosen(undefined, slirp), "slirp4netns");
  assert.throws(() => chosen(undefined, undefined), { code: "failed-precondition" });
});

test("/etc/hosts: a step's own name, and the machine's", () => {
  const extra = [
    { host: "db", ip: "192.0.2.7" },
    { host: "builder", ip: "host-gateway" },
  ];
  assert.match(
    hostsFile("me", extra),
    /^127\.0\.0\.1\tlocalhost me\n.*\n192\.0\.2\.7\tdb\n127\.0\.0\.1\tbuilder\n$/,
  );
  const isolated = { address: "10.0.2.100", machine: "192.0.2.2" };
  assert.match(
    hostsFile("me", extra, isolated),
    /^127\.0\.0\.1\tlocalhost\n.*\n10\.0\.2\.100\tme\n192\.0\.2\.7\tdb\n192\.0\.2\.2\tbuilder\n$/,
  );
  assert.throws(() => hostsFile("me", extra, { address: "10.0.2.100", machine: undefined }), {
    code: "failed-precondition",
  });
});
