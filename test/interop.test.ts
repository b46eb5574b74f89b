import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startRegistry } from "../src/registry/testing/index.ts";
import { type DockerEngine, startDockerEngine } from "./docker-engine.ts";
import { createSandbox, isRoot, tool } from "./sandbox.ts";

const sandbox = createSandbox("interop");
const at = (name: string) => join(sandbox.directory, name);

describe("other people's tools", { skip: isRoot ? false : "docker and RUN need root" }, () => {
  let engine: DockerEngine;
  before(async () => {
    await sandbox.ok(["bootstrap", "busybox"]);
    const context = sandbox.files("context", {
      "hello.sh": "#!/bin/sh\necho hello from $1\n",
      Dockerfile: `FROM busybox AS build
COPY --chmod=755 hello.sh /bin/hello
RUN mkdir /made && echo made > /made/file && ln /made/file /made/hardlink && chmod 4755 /made/file
FROM busybox
COPY --from=build /bin/hello /bin/hello
COPY --from=build /made /made
RUN rm /bin/false
ENV WHO=stagewright
EXPOSE 80
ENTRYPOINT ["/bin/hello"]
CMD ["the image"]
`,
    });
    await sandbox.ok(["build", "-t", "hello:1", context]);
    await sandbox.ok(["build", "-o", `type=oci,dest=${at("oci.tar")},name=hello:1`, context]);
    await sandbox.ok(["build", "-o", `type=oci,tar=false,dest=${at("oci")},name=hello:1`, context]);
    await sandbox.ok(["build", "-o", `type=docker,dest=${at("docker.tar")},name=hello:1`, context]);
    await sandbox.ok(["build", "-o", `type=tar,dest=${at("rootfs.tar")}`, context]);
    await sandbox.ok(["build", "-o", at("rootfs"), context]);
    engine = await startDockerEngine(at("docker"));
  });
  after(() => engine?.stop());

  test("skopeo reads every archive that we write, and finds the same image in it", async () => {
    const [inspected] = JSON.parse((await sandbox.ok(["inspect", "hello:1"])).stdout);
    for (const source of [
      `oci-archive:${at("oci.tar")}`,
      `oci:${at("oci")}`,
      `docker-archive:${at("docker.tar")}`,
    ]) {
      const config = JSON.parse(await tool("skopeo", ["inspect", "--config", source]));
      assert.deepEqual(config.config.Entrypoint, ["/bin/hello"], source);
      assert.deepEqual(config.rootfs.diff_ids, inspected.RootFS.Layers, source);
      const raw = await tool("skopeo", ["inspect", "--config", "--raw", source]);
      const { createHash } = await import("node:crypto");
      assert.equal(`sha256:${createHash("sha256").update(raw).digest("hex")}`, inspected.Id, source);
    }
  });

  test("an image of Docker's own store and one of an OCI layout are bases, by name alone", async () => {
    await engine.docker("load", "-i", at("docker.tar"));
    const context = sandbox.files("on-docker", {
      Dockerfile: "FROM theirs\nRUN test -s /bin/hello && echo more > /more\n",
    });
    const env = { DOCKER_HOST: engine.host };
    const build = (value: string) =>
      sandbox.ok(["build", "--progress=plain", "-t", "more", "--build-context", `theirs=${value}`, context], {
        env,
      });
    const first = await build("docker-daemon:hello:1");
    assert.match(first.stderr, /from Docker's store: sha256:/);
    assert.match((await build("docker-daemon:hello:1")).stderr, /CACHED \[stage-0 1\/1\] RUN|CACHED/);
    const [more] = JSON.parse((await sandbox.ok(["inspect", "more"])).stdout);
    assert.deepEqual(more.Config.Entrypoint, ["/bin/hello"]);
    const layout = await build(`oci-layout://${at("oci")}:1`);
    assert.match(layout.stderr, /from the OCI layout: sha256:/);
    assert.match(layout.stderr, /CACHED/);
    await engine.docker("rmi", "-f", "hello:1");
    const gone = await sandbox.run(["build", "--build-context", "theirs=docker-daemon:hello:1", context], {
      env,
    });
    assert.match(
      gone.stderr,
      /docker-daemon:docker.io\/library\/hello:1: there is no such image in Docker's store/,
    );
  });

  test("umoci unpacks what we export", async () => {
    await tool("umoci", ["unpack", "--image", `${at("oci")}:1`, at("bundle")]);
    const root = join(at("bundle"), "rootfs");
    assert.equal(readFileSync(join(root, "made/file"), "utf8"), "made\n");
    assert.ok(!existsSync(join(root, "bin/false")));
    const { ino, mode } = (await import("node:fs")).statSync(join(root, "made/file"));
    assert.equal((await import("node:fs")).statSync(join(root, "made/hardlink")).ino, ino);
    assert.equal(mode & 0o7777, 0o4755);
  });

  test("docker loads and runs it, with the same image id", async () => {
    const [inspected] = JSON.parse((await sandbox.ok(["inspect", "hello:1"])).stdout);
    await sandbox.ok(["save", "-o", at("saved.tar"), "hello:1"]);
    for (const archive of [at("docker.tar"), at("saved.tar")]) {
      await engine.docker("load", "-i", archive);
      const id = (await engine.docker("image", "inspect", "--format", "{{.Id}}", "hello:1")).trim();
      assert.equal(id, inspected.Id);
      assert.equal(
        await engine.docker("run", "--rm", "--network", "none", "hello:1"),
        "hello from the image\n",
      );
      await engine.docker("rmi", "-f", "hello:1");
    }
  });

  test("what docker saves, we load and run, with the same image id", async () => {
    await engine.docker("load", "-i", at("docker.tar"));
    await engine.docker("tag", "hello:1", "from-docker:1");
    await engine.docker("save", "-o", at("from-docker.tar"), "from-docker:1");
    const id = (await engine.docker("image", "inspect", "--format", "{{.Id}}", "from-docker:1")).trim();
    const loaded = await sandbox.ok(["load", "-i", at("from-docker.tar")]);
    assert.match(loaded.stdout, /from-docker:1/);
    const [inspected] = JSON.parse((await sandbox.ok(["inspect", "from-docker:1"])).stdout);
    assert.equal(inspected.Id, id);
    assert.equal(
      (await sandbox.ok(["run", "--rm", "from-docker:1", "docker"])).stdout,
      "hello from docker\n",
    );
  });

  test("what skopeo and umoci write, we load", async () => {
    mkdirSync(at("made"), { recursive: true });
    await tool("skopeo", [
      "copy",
      `docker-archive:${at("docker.tar")}`,
      `oci-archive:${at("skopeo.tar")}:skopeo:1`,
    ]);
    await sandbox.ok(["load", "-i", at("skopeo.tar")]);
    await tool("umoci", ["config", "--image", `${at("oci")}:1`, "--tag", "two", "--config.env", "BY=umoci"]);
    await sandbox.ok(["load", "-i", at("oci")]);
  });

  test("what docker pushes to a registry, we pull, run and build on", async () => {
    const registry = await startRegistry();
    try {
      await engine.docker("load", "-i", at("docker.tar"));
      const name = `${registry.host}/team/hello:1`;
      await engine.docker("tag", "hello:1", name);
      await engine.docker("push", name);
      const digest = JSON.parse(
        await engine.docker("image", "inspect", "--format", "{{json .RepoDigests}}", name),
      )[0].split("@")[1];
      const pulled = await sandbox.ok(["pull", name]);
      assert.match(pulled.stdout, new RegExp(digest));
      assert.equal((await sandbox.ok(["run", "--rm", name])).stdout, "hello from the image\n");

      await sandbox.ok(["rmi", name]);
      const context = sandbox.files("on-pulled", {
        Dockerfile: `FROM ${name}\nRUN test -f /made/hardlink\nCOPY --from=${name} /made /again\n`,
      });
      const built = await sandbox.ok(["build", "-t", "on-pulled", context]);
      assert.match(built.stderr, new RegExp(digest));
    } finally {
      registry.stop();
    }
  });

  test("the root filesystem as a tar and as a directory is what docker's container has", async () => {
    await engine.docker("load", "-i", at("docker.tar"));
    const names = async (tar: string) =>
      (await tool("tar", ["tf", tar]))
        .split("\n")
        .map((line) => line.replace(/^\.?\//, "").replace(/\/$/, ""))
        .filter(Boolean)
        .sort();
    const ours = await names(at("rootfs.tar"));
    const id = (await engine.docker("create", "hello:1")).trim();
    await engine.docker("export", "-o", at("export.tar"), id);
    await engine.docker("rm", id);
    // Docker adds the mount points of its own containers.
    const added = new Set([
      ".dockerenv",
      "dev",
      "dev/console",
      "dev/pts",
      "dev/shm",
      "proc",
      "sys",
      "etc",
      "etc/hostname",
      "etc/hosts",
      "etc/mtab",
      "etc/resolv.conf",
    ]);
    const theirs = (await names(at("export.tar"))).filter((name) => !added.has(name));
    assert.deepEqual(
      ours.filter((name) => !added.has(name)),
      theirs,
    );
    assert.ok(existsSync(join(at("rootfs"), "bin/hello")));
    assert.ok(!existsSync(join(at("rootfs"), "bin/false")));
  });
});
