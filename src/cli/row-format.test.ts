import assert from "node:assert/strict";
import { test } from "node:test";
import { formatRows } from "./row-format.ts";

const titles = { ID: "IMAGE ID", Tag: "TAG" };
const rows = [
  { ID: "abc", Tag: "1" },
  { ID: "de", Tag: 'a"b' },
];

test("templates, tables and JSON as docker's --format has them", () => {
  assert.equal(formatRows("{{.ID}}:{{ .Tag }}", titles, rows), 'abc:1\nde:a"b\n');
  assert.equal(formatRows("{{.Tag}}\\t{{json .Tag}}", titles, rows), '1\t"1"\na"b\t"a\\"b"\n');
  assert.equal(formatRows("json", titles, rows), '{"ID":"abc","Tag":"1"}\n{"ID":"de","Tag":"a\\"b"}\n');
  assert.equal(formatRows("table {{.Tag}}\\t{{.ID}}", titles, rows), 'TAG   IMAGE ID\n1     abc\na"b   de\n');
  assert.equal(formatRows("table", titles, []), "IMAGE ID   TAG\n");
  assert.equal(formatRows("{{.ID}}", titles, []), "");
});

test("what is not understood is named", () => {
  for (const format of ["{{.Nosuch}}", "{{upper .ID}}", "{{range .}}", "table {{.constructor}}"])
    assert.throws(() => formatRows(format, titles, rows), /--format: \{\{.*\}\} is not understood/, format);
});
