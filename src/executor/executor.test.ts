import assert from "node:assert/strict";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { getXattr } from "../sys/index.ts";
import { cannotRunWith } from "./testing/busybox.ts";
import { processesWith } from "./testing/processes.ts";
import { openWorkshop, type Workshop } from "./testing/steps.ts";

for (const runtime of ["crun", "runc"])
  describe(runtime, { skip: cannotRunWith(runtime) }, () => {
    let shop: Workshop;
    before(async () => {
      shop = await openWorkshop(runtime);
    });
    after(() => shop.close());

    test("exit codes are the program's, signals count from 128", async () => {
      assert.equal((await shop.step("exit 0")).code, 0);
      assert.equal((await shop.step("exit 42")).code, 42);
      assert.equal((await shop.step("sh -c 'kill -9 $$'; exit $?")).code, 137);
      assert.equal((await shop.step("(kill -TERM 1; exec sleep 0); exit 3")).code, 3);
    });

    test("a missing program is 127, one that cannot be executed 126", async () => {
      assert.equal((await shop.step(["/bin/nope"])).code, 127);
      const missing = await shop.step(["nope"]);
      assert.equal(missing.code, 127);
      assert.match(missing.stderr, /nope/);
      assert.equal((await shop.step(["/etc/passwd"])).code, 126);
      assert.equal((await shop.step("exit 1")).code, 1);
      assert.equal((await shop.step("echo 'no such file or directory' >&2; exit 1")).code, 1);
    });

    test("both streams arrive whole and in order", async () => {
      const { stdout, stderr } = await shop.step(
        "i=0; while [ $i -lt 2000 ]; do echo line $i; echo e$i >&2; i=$((i+1)); done; echo direct > /dev/stdout",
      );
      const numbers = [...Array(2000).keys()];
      assert.equal(stdout, `${numbers.map((i) => `line ${i}\n`).join("")}direct\n`);
      assert.equal(stderr, numbers.map((i) => `e${i}\n`).join(""));
    });

    test("the umask of the caller does not show", async () => {
      const before = process.umask(0o077);
      try {
        const { stdout } = await shop.step("stat -c '%a %n' / /made /etc/hosts /etc/resolv.conf /sys", {
          cwd: "/made",
        });
        assert.equal(stdout, "755 /\n755 /made\n644 /etc/hosts\n644 /etc/resolv.conf\n555 /sys\n");
      } finally {
        process.umask(before);
      }
    });

    test("identity, privileges and limits are those of a Docker build", async () => {
      const { stdout } = await shop.step(
        "hostname; umask; id; grep -E '^(CapEff|CapBnd|CapInh|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status; cat; pwd",
      );
      assert.deepEqual(stdout.split("\n"), [
        "buildkitsandbox",
        "0022",
        "uid=0(root) gid=0(root) groups=0(root),50(staff)",
        "CapInh:\t0000000000000000",
        "CapEff:\t00000000a80425fb",
        "CapBnd:\t00000000a80425fb",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t0",
        "Seccomp:\t2",
        "/",
        "",
      ]);
    });

    test("the environment is what was given, PATH and HOME where they are missing", async () => {
      const { stdout } = await shop.step(["/bin/env"], { env: ["A=1", "Ü=wörld \u{1f433}", 'B=x=y "z"\n2'] });
      assert.deepEqual(stdout.split("\n").sort(), [
        "",
        "2",
        "A=1",
        'B=x=y "z"',
        "HOME=/root",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "Ü=wörld \u{1f433}",
      ]);
      assert.match(
        (await shop.step(["/bin/env"], { env: ["HOME=/x", "PATH=/bin"] })).stdout,
        /^HOME=\/x\nPATH=\/bin\n$/,
      );
    });

    test("users, their groups and homes come from the root filesystem", async () => {
      const joe = await shop.step("id; echo $HOME; echo out > /dev/stdout; grep CapEff /proc/self/status", {
        user: "joe",
      });
      assert.equal(
        joe.stdout,
        "uid=1000(joe) gid=1001(joe) groups=29(audio),50(staff),1001(joe)\n/home/joe\nout\nCapEff:\t0000000000000000\n",
      );
      assert.equal((await shop.step("id", { user: "12:34" })).stdout, "uid=12 gid=34 groups=34\n");
      await assert.rejects(shop.step("id", { user: "nobody" }), { code: "not-found" });
    });

    test("setuid programs work", async () => {
      const made = await shop.step(
        "mkdir /suid /plain && cp /bin/busybox /suid/ping && cp /bin/busybox /plain/ping && chmod 4755 /suid/ping",
      );
      assert.equal(made.code, 0);
      assert.equal(statSync(join(made.upper, "suid/ping")).mode & 0o7777, 0o4755);
      // Of busybox's programs ping is one that keeps what the setuid bit gives.
      const ping = (layer: string, program: string) =>
        shop.step([program, "-c1", "-W1", "127.0.0.1"], {
          user: "joe",
          network: "none",
          lowers: [shop.busybox, layer],
        });
      assert.equal((await ping(made.upper, "/suid/ping")).code, 0);
      assert.equal((await ping(made.upper, "/plain/ping")).code, 1);
    });

    test("dangerous calls and files are out of reach", async () => {
      const { stdout } = await shop.step(
        "unshare -U true 2>/dev/null || echo no unshare; mount -t tmpfs x /tmp 2>/dev/null || echo no mount;" +
          "wc -c < /proc/keys; ls /sys/firmware | wc -l; (echo x > /proc/sys/kernel/hostname) 2>/dev/null || echo ro;" +
          "(echo x > /sys/kernel/mm/ksm/run) 2>/dev/null || echo ro; mknod /disk b 8 0 2>/dev/null;" +
          "(head -c 1 /disk >/dev/null) 2>/dev/null || echo no disk; mknod /null c 1 3 && echo x > /null && echo null",
      );
      assert.equal(stdout, "no unshare\nno mount\n0\n0\nro\nro\nno disk\nnull\n");
    });

    test("hosts, resolv.conf and the network namespace", async () => {
      const own = await shop.step(
        "cat /etc/hosts; cat /etc/resolv.conf | grep -c nameserver; ls /sys/class/net",
        {
          extraHosts: [{ host: "db", ip: "10.1.2.3" }],
        },
      );
      assert.match(
        own.stdout,
        /^127\.0\.0\.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n10\.1\.2\.3\tdb\n[1-9]/,
      );
      const none = await shop.step(
        "ls /sys/class/net; ip addr show lo | grep -c UP; ping -c 1 127.0.0.1 > /dev/null && echo answered",
        {
          network: "none",
        },
      );
      assert.match(none.stdout, /^lo\n1\nanswered\n/);
    });

    test("nothing that the runtime needs is left in the layer", async () => {
      assert.deepEqual(readdirSync((await shop.step("true")).upper), []);
      const used = await shop.step("echo x > /etc/new && ls -d /proc /sys /dev /etc/hosts /etc/resolv.conf");
      assert.equal(used.code, 0);
      assert.deepEqual(readdirSync(used.upper), ["etc"]);
      assert.deepEqual(readdirSync(join(used.upper, "etc")), ["new"]);
    });

    test("directories on the way to a mount point keep owner, mode and time", async () => {
      const layer = join(shop.base, `odd-${runtime}`);
      mkdirSync(join(layer, "etc"), { recursive: true, mode: 0o700 });
      utimesSync(join(layer, "etc"), 1_000_000, 1_000_000);
      const { stdout } = await shop.step("stat -c '%a %Y' /etc", { lowers: [shop.busybox, layer] });
      assert.equal(stdout, "700 1000000\n");
    });

    test("a resolv.conf that is a link is mounted where it leads", async () => {
      const layer = join(shop.base, `link-${runtime}`);
      mkdirSync(join(layer, "etc"), { recursive: true });
      symlinkSync("../run/systemd/resolve/stub-resolv.conf", join(layer, "etc/resolv.conf"));
      const { stdout, upper } = await shop.step("grep -c nameserver /etc/resolv.conf", {
        lowers: [shop.busybox, layer],
      });
      assert.match(stdout, /^[1-9]/);
      assert.deepEqual(readdirSync(upper), []);
    });

    test("deletions and replaced directories have overlayfs's marks", async () => {
      const { upper } = await shop.step("rm /etc/group && rm -rf /home && mkdir /home && touch /home/new");
      const group = lstatSync(join(upper, "etc/group"));
      assert.ok(group.isCharacterDevice());
      assert.equal(group.rdev, 0);
      assert.equal(getXattr(join(upper, "home"), "trusted.overlay.opaque")?.toString(), "y");
    });

    test("a missing working directory is made, owned by the user, and stays", async () => {
      const { stdout, upper } = await shop.step("pwd", { cwd: "/home/joe/a/b", user: "joe" });
      assert.equal(stdout, "/home/joe/a/b\n");
      assert.equal(lstatSync(join(upper, "home/joe/a/b")).uid, 1000);
      assert.equal(lstatSync(join(upper, "home/joe/a")).gid, 1001);
      assert.equal(lstatSync(join(upper, "home")).uid, 0);
      await assert.rejects(shop.step("pwd", { cwd: "/etc/passwd" }), {
        code: "failed-precondition",
        message: /not a directory/,
      });
    });

    test("an image without anything works: there is only what the step needs", async () => {
      const layer = join(shop.base, `bare-${runtime}`);
      mkdirSync(layer);
      writeFileSync(join(layer, "busybox"), readFileSync(join(shop.busybox, "bin/busybox")), { mode: 0o755 });
      const { code, stdout, upper } = await shop.step(["/busybox", "sh", "-c", "/busybox ls /; echo $HOME"], {
        lowers: [layer],
      });
      assert.deepEqual([code, stdout], [0, "busybox\ndev\netc\nproc\nsys\n/\n"]);
      assert.deepEqual(readdirSync(upper), []);
      assert.equal((await shop.step(["/sh"], { lowers: [] })).code, 127);
    });

    test("the same layer twice", async () => {
      const layer = join(shop.base, `twice-${runtime}`);
      mkdirSync(layer);
      writeFileSync(join(layer, "file"), "twice\n");
      const over = await shop.step("echo over > /file");
      const { stdout } = await shop.step("cat /file", { lowers: [shop.busybox, layer, over.upper, layer] });
      assert.equal(stdout, "twice\n");
      assert.equal(
        (await shop.step("cat /file", { lowers: [layer, shop.busybox, layer, over.upper] })).stdout,
        "over\n",
      );
    });

    test("bind, overlay and tmpfs mounts", async () => {
      const source = join(shop.base, `bind-${runtime}`);
      mkdirSync(join(source, "sub"), { recursive: true });
      writeFileSync(join(source, "sub/file"), "from the host\n");
      const { stdout, upper } = await shop.step(
        "cat /b/sub/file /deep/er/file; (echo x > /b/x) 2>/dev/null || echo ro; echo gone > /deep/er/new; mount | grep -c ' /scratch type tmpfs'; cat /one",
        {
          mounts: [
            { type: "bind", source, target: "/b", readonly: true },
            { type: "overlay", lowers: [source], source: "/sub", target: "/deep/er", readonly: false },
            { type: "tmpfs", target: "/scratch", sizeBytes: 1 << 20 },
            { type: "overlay", lowers: [source], source: "sub/file", target: "/one", readonly: true },
          ],
        },
      );
      assert.equal(stdout, "from the host\nfrom the host\nro\n1\nfrom the host\n");
      assert.deepEqual(readdirSync(upper), []);
      assert.deepEqual(readdirSync(join(source, "sub")), ["file"]);
      await assert.rejects(
        shop.step("true", {
          mounts: [{ type: "overlay", lowers: [source], source: "/no", target: "/x", readonly: true }],
        }),
        { code: "not-found", message: /\/no/ },
      );
    });

    test("processes that a step leaves behind end with it", async () => {
      const { code } = await shop.step(
        "(setsid sh -c 'trap \"\" TERM HUP; sleep 765432.5' >/dev/null 2>&1 &) ; (setsid sleep 765432.5 &); exit 0",
      );
      assert.equal(code, 0);
      assert.deepEqual(processesWith("765432.5"), []);
    });

    test("ulimits: what may not be raised is capped, with a warning", async () => {
      const low = await shop.step("ulimit -n", { ulimits: [{ name: "nofile", soft: 512, hard: 512 }] });
      assert.equal(low.stdout, "512\n");
      const high = await shop.step("ulimit -n", {
        ulimits: [{ name: "nofile", soft: 1_000_000, hard: 1_000_000 }],
      });
      assert.equal(high.code, 0);
      if (high.stdout !== "1000000\n") assert.match(high.warnings.join(), /nofile stays at \d+/);
      await assert.rejects(shop.step("true", { ulimits: [{ name: "files", soft: 1, hard: 1 }] }), {
        code: "invalid-argument",
      });
    });

    test("a hundred layers, and many steps at once", async () => {
      const layers = [...Array(100).keys()].map((index) => {
        const layer = join(shop.base, `many-${runtime}-${index}`);
        mkdirSync(layer);
        writeFileSync(join(layer, `f${index}`), String(index));
        writeFileSync(join(layer, "top"), String(index));
        return layer;
      });
      const lowers = [shop.busybox, ...layers];
      const outcomes = await Promise.all(
        [...Array(6).keys()].map((index) =>
          shop.step(`cat /f0 /f99 /top; echo ' ${index}' > /out; cat /out`, { lowers }),
        ),
      );
      assert.deepEqual(
        outcomes.map((outcome) => outcome.stdout),
        [...Array(6).keys()].map((index) => `09999 ${index}\n`),
      );
    });
  });

test("more layers than overlayfs takes is a clear error", { skip: cannotRunWith("crun") }, async () => {
  const shop = await openWorkshop();
  try {
    await assert.rejects(
      shop.step("true", { lowers: Array.from({ length: 500 }, (_, index) => `/layer${index}`) }),
      {
        code: "failed-precondition",
        message: /500 layers/,
      },
    );
  } finally {
    shop.close();
  }
});
