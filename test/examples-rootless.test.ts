import assert from "node:assert/strict";
import { chmodSync, chownSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { lentNpmSettings } from "./npm-settings.ts";
import { createUser, type OrdinaryUser } from "./ordinary-user.ts";
import { cannotRunAsUser, checkout, createSandbox, tool } from "./sandbox.ts";
import { answerOf, lendProxies, missingPrograms, type StandIns, startStandIns } from "./stand-ins.ts";

const skip = cannotRunAsUser() || (missingPrograms.length > 0 && `needs ${missingPrograms.join(", ")}`);

/** How to see that an image is right: what its program prints, or what its server answers to `/hello`. */
type Proof = { readonly prints: RegExp; readonly with?: readonly string[] } | Answers;
interface Answers {
  readonly answers: RegExp;
  readonly port: number;
}

interface Example {
  readonly title: string;
  /** Folder below `examples`. */
  readonly folder: string;
  readonly file?: string;
  readonly target?: string;
  readonly proof: Proof;
  /** What a user with a single id is told instead: by the build, or by the program's start. */
  readonly single?: { readonly when: "build" | "run"; readonly says: RegExp };
}

/** What apt does: its downloads belong to a user of its own. */
const noOtherUser = /the step has a single id[^\n]*add-subuids/;
const greeted = { answers: /^Greetings from \/hello\n$/, port: 8080 };

/** The other Dockerfiles of node-app run the same commands, for which see examples-node.test.ts. */
const examples: readonly Example[] = [
  { title: "hello", folder: "hello", proof: { prints: /^Hello from an image with one file in it/ } },
  {
    title: "hello by number",
    folder: "hello",
    file: "by-number.Dockerfile",
    proof: { prints: /^Hello from an image with one file in it/ },
  },
  {
    title: "stages",
    folder: "stages",
    target: "stage2",
    proof: { prints: /^made in base\nmade in stage2\n$/ },
  },
  { title: "href-counter", folder: "href-counter", proof: { prints: /"internal":3,"external":1/ } },
  {
    title: "href-counter by number",
    folder: "href-counter",
    file: "by-number.Dockerfile",
    proof: { prints: /"internal":3,"external":1/ },
  },
  { title: "web-server", folder: "web-server", proof: greeted },
  {
    title: "web-server in one stage",
    folder: "web-server",
    file: "single-stage.Dockerfile",
    proof: greeted,
  },
  {
    title: "node-app --target test",
    folder: "node-app",
    target: "test",
    proof: { prints: /^typescript\n/m, with: ["ls", "node_modules"] },
  },
  {
    title: "node-app",
    folder: "node-app",
    proof: { answers: /<li>user 1000<\/li>/, port: 3000 },
    single: { when: "run", says: /USER node is 1000:1000, which this user has no subordinate id for/ },
  },
  {
    title: "cpp",
    folder: "cpp",
    proof: { prints: /^Built by build1 with g\+\+ \d+\nBuilt by build2 with g\+\+ \d+\n$/ },
    single: { when: "build", says: noOtherUser },
  },
  { title: "external-image", folder: "external-image", proof: { prints: /worker_processes/ } },
  ...["testing", "debug", "production"].map((target) => ({
    title: `variants --target ${target}`,
    folder: "variants",
    target,
    proof: { prints: target === "production" ? /^Hello, Ada\nHello, Grace\n$/ : /^Hello, Test Person\n$/ },
  })),
];

describe("examples by ordinary users", { skip, concurrency: 2 }, () => {
  const sandbox = createSandbox("examples-rootless");
  const shared = join(sandbox.directory, "examples");
  const settings = join(sandbox.directory, "npm");
  let secrets: string[];
  let standIns: StandIns;
  let site: Server;
  let page: string;

  before(async () => {
    chmodSync(sandbox.directory, 0o755);
    standIns = await startStandIns(sandbox);
    cpSync(join(checkout, "examples"), shared, { recursive: true });
    mkdirSync(settings);
    secrets = lentNpmSettings(settings);
    site = createServer((_, response) =>
      response.end(`<a href="/one">1</a> <a href='two?a&amp;b'>2</a> <a href=three>3</a>
        <a href="https://elsewhere.example/">4</a>`),
    );
    await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
    page = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;
  });
  after(() => {
    standIns?.registry.stop();
    site?.close();
  });

  for (const [index, ids] of (["subordinate", "single"] as const).entries())
    describe(`${ids} ids`, { concurrency: 1 }, () => {
      let user: OrdinaryUser;
      before(() => {
        user = createUser({
          directory: sandbox.directory,
          name: ids,
          uid: 64_111 + index,
          ...(ids === "subordinate" ? { subordinate: 1_600_000_000 } : {}),
        });
        const config = join(user.home, ".config", "stagewright");
        mkdirSync(config, { recursive: true });
        writeFileSync(
          join(config, "config.toml"),
          `[registry."docker.io"]\n  mirrors = ["${standIns.registry.host}"]\n`,
        );
      });

      const build = ({ folder, file = "Dockerfile", target }: Example, tag: string) => {
        const context = join(shared, folder);
        const stage = target === undefined ? [] : ["--target", target];
        const args = ["build", "--progress", "plain", ...lendProxies, ...secrets, ...stage, "-t", tag];
        return user.stagewright([...args, "-f", join(context, file), context]);
      };

      for (const example of examples)
        test(example.title, async () => {
          const image = example.title.replaceAll(/\W+/g, "-");
          const refused = ids === "single" ? example.single : undefined;
          const built = await build(example, image);
          if (refused?.when === "build") {
            assert.equal(built.code, 1, built.stderr);
            assert.match(built.stderr, refused.says);
            return;
          }
          assert.equal(built.code, 0, built.stderr);
          const { proof } = example;
          if (refused !== undefined) {
            const ran = await user.stagewright(["run", "--rm", image]);
            assert.notEqual(ran.code, 0);
            assert.match(ran.stderr, refused.says);
            const { stdout } = await user.ok([
              "run",
              "--rm",
              "--user",
              "0",
              image,
              "node",
              "-p",
              "process.getuid()",
            ]);
            assert.equal(stdout, "0\n");
          } else if ("answers" in proof)
            assert.match(await answerOf(user, image, proof.port, "/hello"), proof.answers);
          else {
            const args = example.folder === "href-counter" ? [page] : (proof.with ?? []);
            const { stdout } = await user.ok(["run", "--rm", "--network", "host", image, ...args]);
            assert.match(stdout, proof.prints);
          }
        });

      test("href-counter by the builder pattern: a script, two Dockerfiles, a container between them", async () => {
        const copy = join(user.home, "href-counter");
        cpSync(join(shared, "href-counter"), copy, { recursive: true });
        await tool("chown", ["-R", `${user.uid}:${user.uid}`, copy]);
        const bin = join(user.home, "bin");
        mkdirSync(bin);
        chownSync(bin, user.uid, user.uid);
        const [node, launcher] = user.command;
        writeFileSync(join(bin, "stagewright"), `#!/bin/sh\nexec '${node}' '${launcher}' "$@"\n`, {
          mode: 0o755,
        });
        const env = { PATH: `${bin}:${process.env.PATH}` };
        const { code, stderr } = await user.run([join(copy, "builder-pattern", "build.sh")], { env });
        assert.equal(code, 0, stderr);
        const { stdout } = await user.ok(["run", "--rm", "--network", "host", "href-counter", page]);
        assert.match(stdout, /"internal":3,"external":1/);
      });
    });
});
