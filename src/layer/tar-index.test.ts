import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { BuildError } from "../core/index.ts";
import { type LayerView, loadIndex, viewOf } from "../snapshot/index.ts";
import { type IndexTarOptions, indexTar } from "./tar-index.ts";
import { bytesSource } from "./tar-reader.ts";

interface Member {
  name: string;
  flag?: string;
  link?: string;
  data?: string | Buffer;
  size?: string;
  mode?: string;
  dev?: [string, string];
  magic?: string;
  prefix?: string;
}

/** One member, byte by byte: nothing of the writer under test is used. */
function member(m: Member): Buffer {
  const data = typeof m.data === "object" ? m.data : Buffer.from(m.data ?? "", "latin1");
  const header: Buffer = Buffer.alloc(512);
  header.write(m.name, 0, 100, "latin1");
  header.write(m.mode ?? "0000644\0", 100, "latin1");
  header.write("0000000\0".repeat(2), 108, "latin1");
  header.write(m.size ?? `${data.length.toString(8).padStart(11, "0")}\0`, 124, "latin1");
  header.write("00000000012\0", 136, "latin1");
  header.write(m.flag ?? "0", 156, "latin1");
  header.write(m.link ?? "", 157, 100, "latin1");
  header.write(m.magic ?? "ustar\x0000", 257, "latin1");
  header.write(m.dev?.[0] ?? "", 329, "latin1");
  header.write(m.dev?.[1] ?? "", 337, "latin1");
  header.write(m.prefix ?? "", 345, "latin1");
  header.fill(" ", 148, 156);
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return Buffer.concat([header, data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
}

const end = Buffer.alloc(1024);
const tarOf = (...members: (Member | Buffer)[]) =>
  Buffer.concat([...members.map((m) => (Buffer.isBuffer(m) ? m : member(m))), end]);

function record(key: string, value: string): string {
  for (let length = key.length + value.length + 3; ; length++)
    if (`${length} ${key}=${value}\n`.length === length) return `${length} ${key}=${value}\n`;
}
const pax = (...records: [string, string][]) => ({
  name: "PaxHeaders/x",
  flag: "x",
  data: Buffer.from(records.map(([key, value]) => record(key, value)).join(""), "latin1"),
});

function view(tar: Buffer, options?: IndexTarOptions): LayerView {
  const directory = mkdtempSync(join(tmpdir(), "tar-index-"));
  try {
    const index = join(directory, "index");
    writeFileSync(index, indexTar(bytesSource(tar), options).bytes);
    const loaded = loadIndex(index);
    assert.ok(loaded);
    return viewOf({ id: "test", index, content: { kind: "tar", path: "unused" } }, loaded);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const paths = (v: LayerView) => [...v.entries("")].filter((e) => !e.implied).map((e) => e.path);

function refuses(name: string, tar: Buffer, message: RegExp, options?: IndexTarOptions) {
  test(`refuses ${name}`, () => {
    assert.throws(
      () => indexTar(bytesSource(tar), options),
      (error) => error instanceof BuildError && message.test(error.message),
    );
  });
}

refuses("a name that climbs", tarOf({ name: "../etc/passwd" }), /\.\.\/etc\/passwd.*climbs/);
refuses("a name that climbs from below", tarOf({ name: "a/../../x" }), /a\/\.\.\/\.\.\/x.*climbs/);
refuses("a pax path that climbs", tarOf(pax(["path", "/../x"]), { name: "y" }), /climbs/);
refuses(
  "a hardlink out of the tree",
  tarOf({ name: "shadow", flag: "1", link: "../../etc/shadow" }),
  /shadow.*climbs/,
);
refuses(
  "an entry below a symlink",
  tarOf({ name: "x", flag: "2", link: "/etc" }, { name: "x/passwd", data: "evil" }),
  /x\/passwd.*parent x is a symlink/,
);
refuses(
  "a symlink that replaces a directory between two entries",
  tarOf({ name: "d/", flag: "5" }, { name: "d/a" }, { name: "d", flag: "2", link: "/etc" }, { name: "d/b" }),
  /d\/b.*parent d is a symlink/,
);
refuses(
  "a hardlink through a symlink",
  tarOf({ name: "l", flag: "2", link: "/" }, { name: "h", flag: "1", link: "l/etc/shadow" }),
  /parent l is a symlink/,
);
refuses(
  "a hardlink to a directory",
  tarOf({ name: "d/", flag: "5" }, { name: "h", flag: "1", link: "d" }),
  /h.*directory/,
);
refuses("an entry below a file", tarOf({ name: "f" }, { name: "f/x" }), /f\/x.*parent f is a file/);
refuses("a root that is a file", tarOf({ name: "./", flag: "0", data: "x" }), /root/);
refuses("a whiteout of nothing", tarOf({ name: "d/.wh." }), /\.wh\..*itself/);
refuses("a whiteout of the root", tarOf({ name: ".wh.." }), /itself/);
refuses("a whiteout that climbs", tarOf({ name: ".wh..." }), /itself/);
refuses("an entry below a whiteout", tarOf({ name: "a/.wh.b/c" }), /below a whiteout/);
refuses("an unknown type", tarOf({ name: "odd", flag: "Z" }), /odd.*type "Z"/);
refuses("GNU sparse files", tarOf({ name: "hole", flag: "S" }), /hole.*sparse/);
refuses("pax sparse files", tarOf(pax(["GNU.sparse.major", "1"]), { name: "hole" }), /hole.*sparse/);
refuses("a name of 256 bytes", tarOf(pax(["path", "n".repeat(256)]), { name: "x" }), /255/);
refuses("a path of 5000 bytes", tarOf(pax(["path", "nn/".repeat(1700)]), { name: "x" }), /4095/);
refuses("a symlink to nothing", tarOf({ name: "s", flag: "2" }), /s.*symlink to nothing/);
refuses("a negative size", tarOf(pax(["size", "-5"]), { name: "n" }), /n.*negative/);
refuses("a negative base-256 size", tarOf({ name: "n", size: `\xff${"\xff".repeat(11)}` }), /n.*negative/);
refuses(
  "a base-256 size beyond all bounds",
  tarOf({ name: "n", size: `\x80${"\xff".repeat(11)}` }),
  /n.*range/,
);
refuses("a size beyond the archive", tarOf({ name: "big", size: "77777777777\0" }), /big.*ends within/);
refuses(
  "an archive that ends in content",
  tarOf({ name: "f", data: "x".repeat(2000) }).subarray(0, 1100),
  /f.*ends within/,
);
refuses("an archive that ends in a header", tarOf({ name: "f" }).subarray(0, 300), /ends in the middle/);
refuses("bytes that are no tar", Buffer.alloc(2048, "hello"), /at its start.*checksum/);
refuses("a wrong checksum later on", tarOf({ name: "fine" }, Buffer.alloc(512, 7)), /fine.*checksum/);
refuses(
  "a pax header of 2 MiB",
  tarOf(pax(["comment", "x".repeat(2 << 20)]), { name: "x" }),
  /extended header of \d+ bytes/,
);
refuses(
  "a GNU long name of 2 MiB",
  tarOf({ name: "././@LongLink", flag: "L", data: "x".repeat(2 << 20) }),
  /extended header/,
);
refuses(
  "a malformed pax record",
  tarOf({ name: "p", flag: "x", data: "99 path=x\n" }, { name: "x" }),
  /pax record/,
);
refuses("a pax path with a zero byte", tarOf(pax(["path", "a\0b"]), { name: "x" }), /zero byte/);
refuses("a user number that is no number", tarOf(pax(["uid", "root"]), { name: "x" }), /x.*uid/);
refuses(
  "a device where devices are refused",
  tarOf({ name: "dev/sda", flag: "4", dev: ["0000010\0", "0000000\0"] }),
  /dev\/sda.*device/,
  { refuseDevices: true },
);

test("refuses paths that would imply far more directories", () => {
  const members = Array.from({ length: 60 }, (_, i) => [
    member(pax(["path", `${i}/${"d/".repeat(2000)}f`])),
    member({ name: "x" }),
  ]);
  assert.throws(() => indexTar(bytesSource(tarOf(...members.flat()))), /too many and too long/);
});

test("absolute names and ./ are names inside the root", () => {
  const v = view(tarOf({ name: "./", flag: "5", mode: "0000700\0" }, { name: "/etc//./passwd", data: "x" }));
  assert.deepEqual(paths(v), ["", "etc/passwd"]);
  assert.equal(v.lookup("")?.mode, 0o700);
  assert.equal(v.lookup("etc")?.implied, true);
});

test("of duplicates the last wins, and a directory keeps its children only under a directory", () => {
  const v = view(
    tarOf(
      { name: "a", data: "old" },
      { name: "a", data: "newer" },
      { name: "d/x/y" },
      { name: "d/", flag: "5", mode: "0000711\0" },
      { name: "e/x/y" },
      { name: "e", data: "file" },
      { name: "g/x" },
      { name: "g", flag: "2", link: "d" },
      { name: "g/", flag: "5" },
      { name: "g/z" },
    ),
  );
  assert.equal(v.lookup("a")?.size, 5);
  assert.deepEqual(paths(v), ["a", "d", "d/x/y", "e", "g", "g/z"]);
  assert.equal(v.lookup("d")?.mode, 0o711);
  assert.equal(v.lookup("e/x"), undefined);
});

test("a hardlink keeps the file that had the name when it was made", () => {
  const v = view(
    tarOf(
      { name: "b", data: "one" },
      { name: "c", flag: "1", link: "b" },
      { name: "a", flag: "1", link: "/c" },
      { name: "b", data: "three" },
    ),
  );
  assert.deepEqual(
    [...v.entries("")].map((e) => [e.path, e.type, e.size, e.linkname]),
    [
      ["", "directory", 0, ""],
      ["a", "file", 3, ""],
      ["b", "file", 5, ""],
      ["c", "hardlink", 0, "a"],
    ],
  );
});

test("a whiteout and a directory of one name are an opaque directory, in either order", () => {
  for (const order of [
    [{ name: ".wh.d" }, { name: "d/", flag: "5" }],
    [{ name: "d/", flag: "5" }, { name: ".wh.d" }],
  ]) {
    const v = view(tarOf(...order, { name: "d/x" }));
    assert.equal(v.isOpaque("d"), true);
    assert.equal(v.isWhiteout("d"), false);
    assert.deepEqual(paths(v), ["d", "d/x"]);
  }
  const file = view(tarOf({ name: ".wh.f" }, { name: "f", data: "x" }));
  assert.equal(file.lookup("f")?.type, "file");
  assert.equal(file.isWhiteout("f"), false);
});

test("opaque markers, aufs metadata and overlay's own whiteouts", () => {
  const v = view(
    tarOf(
      { name: "d/.wh..wh..opq" },
      { name: ".wh..wh.plnk/", flag: "5" },
      { name: "gone", flag: "3", dev: ["0000000\0", "0000000\0"] },
      { name: "null", flag: "3", dev: ["0000001\0", "0000003\0"] },
    ),
  );
  assert.equal(v.isOpaque("d"), true);
  assert.equal(v.isWhiteout("gone"), true);
  assert.deepEqual([...v.whiteouts("")], ["gone"]);
  assert.deepEqual(paths(v), ["null"]);
  assert.equal(v.lookup("null")?.devMinor, 3);
});

test("names of pax, GNU and ustar; pax wins; global headers mean nothing", () => {
  const long = `${"d".repeat(120)}/${"f".repeat(120)}`;
  const v = view(
    tarOf(
      { name: "pax_global", flag: "g", data: record("path", "../../evil") },
      { name: "././@LongLink", flag: "L", data: `${long}\0` },
      { name: "short" },
      pax(["path", "b\xff\n"], ["mtime", "-1.5"], ["uid", "4000000000"], ["SCHILY.xattr.user.a", "\x00\xff"]),
      { name: "other" },
      { name: "name", prefix: "pre/fix" },
      { name: "gnu", magic: "ustar  \0", prefix: "not a prefix" },
      { name: "olddir/", flag: "\0", magic: "\0".repeat(8) },
    ),
  );
  assert.deepEqual(paths(v), ["b\xff\n", long, "gnu", "olddir", "pre/fix/name"]);
  const odd = v.lookup("b\xff\n");
  assert.equal(odd?.mtime, -2);
  assert.equal(odd?.uid, 4_000_000_000);
  assert.deepEqual(odd?.xattrs?.get("user.a"), Buffer.of(0, 255));
  assert.equal(v.lookup("olddir")?.type, "directory");
});

test("an archive cannot speak to overlayfs", () => {
  const v = view(
    tarOf(pax(["SCHILY.xattr.trusted.overlay.redirect", "/x"], ["SCHILY.xattr.user.overlay.opaque", "y"]), {
      name: "d/",
      flag: "5",
    }),
  );
  assert.equal(v.lookup("d")?.xattrs, undefined);
});

test("directories that are links below are where the links lead", () => {
  const v = view(tarOf({ name: "bin/tool", data: "x" }, { name: "bin/alias", flag: "1", link: "bin/tool" }), {
    moved: new Map([["bin", "usr/bin"]]),
  });
  assert.deepEqual(paths(v), ["usr/bin/alias", "usr/bin/tool"]);
});
