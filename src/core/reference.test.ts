import assert from "node:assert/strict";
import { test } from "node:test";
import { BuildError } from "./errors.ts";
import {
  familiarReference,
  familiarRepository,
  formatReference,
  parseReference,
  parseRepositoryReference,
  repositoryOf,
} from "./reference.ts";

const digest = `sha256:${"ab".repeat(32)}` as const;

/** [what the user writes, full form, short form] */
const valid: readonly [string, string, string][] = [
  ["ubuntu", "docker.io/library/ubuntu:latest", "ubuntu:latest"],
  ["ubuntu:22.04", "docker.io/library/ubuntu:22.04", "ubuntu:22.04"],
  ["library/ubuntu", "docker.io/library/ubuntu:latest", "ubuntu:latest"],
  ["docker.io/ubuntu", "docker.io/library/ubuntu:latest", "ubuntu:latest"],
  ["index.docker.io/me/app:1", "docker.io/me/app:1", "me/app:1"],
  ["me/app", "docker.io/me/app:latest", "me/app:latest"],
  ["library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"],
  ["localhost/app", "localhost/app:latest", "localhost/app:latest"],
  ["localhost:5000/app:v1", "localhost:5000/app:v1", "localhost:5000/app:v1"],
  ["ghcr.io/a/b/c:x.y-z_1", "ghcr.io/a/b/c:x.y-z_1", "ghcr.io/a/b/c:x.y-z_1"],
  ["Registry/app", "Registry/app:latest", "Registry/app:latest"],
  ["[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"],
  ["a__b/c--d.e_f", "docker.io/a__b/c--d.e_f:latest", "a__b/c--d.e_f:latest"],
  [`ubuntu@${digest}`, `docker.io/library/ubuntu@${digest}`, `ubuntu@${digest}`],
  [`ubuntu:22.04@${digest}`, `docker.io/library/ubuntu:22.04@${digest}`, `ubuntu:22.04@${digest}`],
  ["a".repeat(247), `docker.io/library/${"a".repeat(247)}:latest`, `${"a".repeat(247)}:latest`],
  [`app:${"t".repeat(128)}`, `docker.io/library/app:${"t".repeat(128)}`, `app:${"t".repeat(128)}`],
];

for (const [text, full, short] of valid)
  test(`reference ${text.slice(0, 60)}`, () => {
    const reference = parseReference(text);
    assert.equal(formatReference(reference), full);
    assert.equal(familiarReference(reference), short);
    assert.deepEqual(parseReference(full), reference, "the full form means the same");
    assert.deepEqual(parseReference(short), reference, "the short form means the same");
  });

const invalid: readonly [string, RegExp][] = [
  ["", /^invalid reference format$/],
  ["Ubuntu", /^invalid reference format: repository name \(library\/Ubuntu\) must be lowercase$/],
  ["ghcr.io/Me/app:1", /^invalid reference format: repository name \(Me\/app\) must be lowercase$/],
  ["a".repeat(64), /cannot specify 64-byte hexadecimal strings/],
  ["a".repeat(248), /must not be more than 255 characters/],
  ["a".repeat(1_000_000), /longer than any reference can be/],
  [`app:${"t".repeat(129)}`, /^invalid reference format$/],
  ["app:", /^invalid reference format$/],
  ["-app", /^invalid reference format$/],
  ["app_", /^invalid reference format$/],
  ["a___b", /^invalid reference format$/],
  ["a..b", /^invalid reference format$/],
  ["a//b", /^invalid reference format$/],
  ["/app", /^invalid reference format$/],
  ["app ", /^invalid reference format$/],
  ["app\n", /^invalid reference format$/],
  ["../etc/passwd", /^invalid reference format$/],
  ["https://example.com/app", /^invalid reference format$/],
  ["app@sha256:abc", /^invalid reference format$/],
  [`app@sha256:${"AB".repeat(32)}`, /not a sha256 digest/],
  [`app@sha512:${"ab".repeat(64)}`, /not a sha256 digest/],
  ["café/app", /^invalid reference format$/],
];

for (const [text, message] of invalid)
  test(`no reference: ${JSON.stringify(text.slice(0, 60))}`, () => {
    assert.throws(
      () => parseReference(text),
      (error) => {
        assert.ok(error instanceof BuildError);
        assert.equal(error.code, "invalid-argument");
        assert.match(error.message, message);
        return true;
      },
    );
  });

test("a bare name keeps being without tag where asked", () => {
  assert.deepEqual(parseRepositoryReference("ubuntu"), { domain: "docker.io", path: "library/ubuntu" });
  assert.equal(familiarRepository(parseReference("localhost:5000/a/b:c")), "localhost:5000/a/b");
});

test("the repository is named without tag and digest", () => {
  assert.equal(repositoryOf(parseReference(`ubuntu:22.04@${digest}`)), "docker.io/library/ubuntu");
});
