import assert from "node:assert/strict";
import { test } from "node:test";
import { parseGitReference } from "../core/index.ts";
import { gitSource, httpSource } from "./source.ts";

const server = "http://127.0.0.1:18573";

test("contexts that lie elsewhere have the digests that BuildKit 0.25 prints for them", () => {
  const git = (text: string, keepGitDir = false) =>
    gitSource({ ...parseGitReference(text)!, keepGitDir }, {}).digest;
  const printed: [string, string][] = [
    [git(`${server}/ctx.git`), "sha256:af6ff5dd41b5"],
    [git(`${server}/ctx.git#main`), "sha256:78adf53c543f"],
    [git(`${server}/ctx.git#main`, true), "sha256:424660ea954f"],
    [httpSource(`${server}/ctx.tar.gz`, { filename: "context" }, {}).digest, "sha256:2aa5af55da4e"],
    [httpSource(`${server}/plain.Dockerfile`, { filename: "context" }, {}).digest, "sha256:a5b765439f22"],
  ];
  for (const [ours, theirs] of printed) assert.equal(ours.slice(0, theirs.length), theirs);
});

test("the identifier of a repository leaves out the protocol, attributes say the rest", () => {
  const body = gitSource(parseGitReference("git@example.com:a/b.git#v1:dir")!, {}).op.body;
  assert.deepEqual(body, {
    kind: "source",
    identifier: "git://example.com/a/b.git#v1:dir",
    attrs: {
      "git.fullurl": "git@example.com:a/b.git",
      "git.authheadersecret": "GIT_AUTH_HEADER",
      "git.authtokensecret": "GIT_AUTH_TOKEN",
      "git.mountsshsock": "default",
    },
  });
});
