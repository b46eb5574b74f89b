import assert from "node:assert/strict";
import { test } from "node:test";
import { endOfStep } from "./exit-code.ts";

test("the program's own code stays", () => {
  assert.deepEqual(endOfStep(0, "crun", "", ""), { code: 0 });
  assert.deepEqual(endOfStep(42, "crun", "anything", ""), { code: 42 });
  assert.deepEqual(endOfStep(1, "runc", "", "exec: no such file or directory"), { code: 1 });
  assert.deepEqual(endOfStep(1, "runc", 'time="x" level=warning msg="something"\n', ""), { code: 1 });
});

test("a program that is missing or cannot be executed", () => {
  const crun = (log: string, stderr = "") => endOfStep(1, "crun", log, stderr);
  assert.deepEqual(crun("executable file `nope` not found in $PATH: No such file or directory\n"), {
    code: 127,
  });
  assert.deepEqual(crun("open executable: Permission denied"), { code: 126 });
  assert.deepEqual(crun("", "exec container process `/bad`: Exec format error\n"), { code: 126 });
  assert.deepEqual(
    crun("", "exec container process (missing dynamic library?) `/x`: No such file or directory\n"),
    {
      code: 127,
    },
  );
  const runc = (reason: string) =>
    endOfStep(
      1,
      "runc",
      `time="x" level=error msg="runc run failed: unable to start container process: ${reason}"\n`,
      "",
    );
  assert.deepEqual(runc('exec: \\"/nope\\": stat /nope: no such file or directory'), { code: 127 });
  assert.deepEqual(runc('exec: \\"nope\\": executable file not found in $PATH'), { code: 127 });
  assert.deepEqual(runc('exec: \\"/x\\": permission denied'), { code: 126 });
});

test("a runtime that cannot make the container is no failure of the program", () => {
  assert.deepEqual(endOfStep(1, "crun", "setrlimit (RLIM_MEMLOCK): Operation not permitted\n", ""), {
    runtimeError: "setrlimit (RLIM_MEMLOCK): Operation not permitted",
  });
});
