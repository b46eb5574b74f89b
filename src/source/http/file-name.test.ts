import assert from "node:assert/strict";
import { test } from "node:test";
import { downloadName } from "./file-name.ts";

test("what a download is called", () => {
  const cases: [string, string, string | undefined, string][] = [
    ["https://h/a/b.txt?c=d", "", undefined, "b.txt"],
    ["https://h/a/b.txt", "wanted", 'attachment; filename="other"', "wanted"],
    ["https://h/a/b.txt", "", 'attachment; filename="with \\"quotes\\".txt"', 'with "quotes".txt'],
    ["https://h/a/b.txt", "", "attachment; filename=plain.txt", "plain.txt"],
    ["https://h/a", "", "attachment; filename=x; filename*=UTF-8''na%C3%AFve.txt", "naïve.txt"],
    ["https://h/a%20b", "", undefined, "a b"],
    ["https://h/", "", undefined, "download"],
    ["https://h", "", "attachment", "download"],
  ];
  for (const [url, wanted, disposition, name] of cases)
    assert.equal(downloadName(url, wanted, disposition), name, `${url} ${disposition}`);
});

test("a server names a file, not a path", () => {
  for (const evil of ["../../etc/passwd", "/etc/passwd", "a/../../passwd"])
    assert.equal(downloadName("https://h/x", "", `attachment; filename="${evil}"`), "passwd");
  for (const nothing of ["..", ".", "dir/", ""])
    assert.equal(downloadName("https://h/x", "", `attachment; filename="${nothing}"`), "x");
  assert.equal(downloadName("https://h/%2e%2e%2fpasswd", "", undefined), "passwd");
});
