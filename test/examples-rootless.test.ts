import assert from "node:assert/strict";
import { chmodSync, cpSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { lentNpmSettings } from "./npm-settings.ts";
import { createUser, type OrdinaryUser } from "./ordinary-user.ts";
import { cannotRunAsUser, checkout, createSandbox } from "./sandbox.ts";
import { answerOf, lendProxies, missingPrograms, type StandIns, startStandIns } from "./stand-ins.ts";

const skip = cannotRunAsUser() || (missingPrograms.length > 0 && `needs ${missingPrograms.join(", ")}`);

const sandbox = createSandbox("examples-rootless");
const examples = join(sandbox.directory, "examples");
let standIns: StandIns;
let site: Server;

before(async () => {
  if (skip) return;
  chmodSync(sandbox.directory, 0o755);
  standIns = await startStandIns(sandbox);
  cpSync(join(checkout, "examples"), examples, { recursive: true });
  site = createServer((_, response) => response.end('<a href="/one">1</a>'));
  await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
});
after(() => {
  standIns?.registry.stop();
  site?.close();
});

const maps = [
  { title: "with subordinate ids", name: "many", uid: 64_105, subordinate: 1_700_000_000 },
  { title: "with a single id", name: "single", uid: 64_106 },
];

for (const map of maps)
  describe(`examples by an ordinary user ${map.title}`, { skip }, () => {
    let user: OrdinaryUser;
    before(() => {
      user = createUser({ directory: sandbox.directory, ...map });
    });

    const ok = async (...args: string[]) => {
      const env = { STAGEWRIGHT_CONFIG: standIns.env.STAGEWRIGHT_CONFIG };
      const output = await user.stagewright(args, { env });
      assert.equal(output.code, 0, `${args.join(" ")}\n${output.stdout}\n${output.stderr}`);
      return output;
    };
    const build = async (name: string, ...args: string[]) =>
      (await ok("build", "--progress", "plain", ...lendProxies, "-t", name, ...args)).stderr;
    const answer = (image: string, port: number, path: string) =>
      answerOf({ ...sandbox, ok: (args) => ok(...args) }, image, port, path);
    const run = async (...args: string[]) => (await ok("run", "--rm", ...args)).stdout;

    test("hello", async () => {
      await build("hello", join(examples, "hello"));
      assert.match(await run("hello"), /^Hello from an image with one file/);
    });

    test("stages, variants, external-image", async () => {
      await build("stage2", "--target", "stage2", join(examples, "stages"));
      assert.equal(await run("stage2"), "made in base\nmade in stage2\n");
      await build("greet", join(examples, "variants"));
      assert.equal(await run("greet"), "Hello, Ada\nHello, Grace\n");
      await build("with-config", join(examples, "external-image"));
      assert.match(await run("with-config"), /worker_processes/);
    });

    test("href-counter", async () => {
      await build("href-counter", join(examples, "href-counter"));
      const page = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;
      const counts = await run("--network", "host", "href-counter", page);
      assert.equal(counts, `{"page":"${page}","internal":1,"external":0}\n`);
    });

    test("web-server answers on a published port", async () => {
      await build("webserver", join(examples, "web-server"));
      assert.equal(await answer("webserver", 8080, "/hello"), "Greetings from /hello\n");
    });

    if (map.subordinate === undefined)
      test("node-app is built; to run it as another user than root takes another id", async () => {
        await build("node-app", ...lentNpmSettings(user.home), join(examples, "node-app"));
        assert.match(await run("--user", "0", "node-app", "node", "--version"), /^v18\./);
        const refused = await user.stagewright(["run", "--rm", "node-app"]);
        assert.equal(refused.code, 125);
        assert.match(refused.stderr, /USER node is 1000:1000, which this user has no subordinate id for/);
      });
    else {
      test("node-app: its tests pass, the application answers", async () => {
        const lent = lentNpmSettings(user.home);
        await build("node-app:test", "--target", "test", ...lent, join(examples, "node-app"));
        await build("node-app", ...lent, join(examples, "node-app"));
        assert.match(await answer("node-app", 3000, "/"), /user 1000/);
      });

      // apt hands its downloads to a user of its own, whom a single id does not have.
      test("cpp", async () => {
        await build("both", join(examples, "cpp"));
        assert.match(await run("both"), /^Built by build1 .*\nBuilt by build2 /);
      });
    }
  });
