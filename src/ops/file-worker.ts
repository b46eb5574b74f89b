import { serveTasks } from "../core/index.ts";
import { digestSelection, type SelectionTask } from "./file-keys.ts";
import { type ReadAhead, readAhead } from "./file-read-ahead.ts";
import { type FileRun, runFileOp } from "./file-run.ts";

serveTasks({
  run: (run: FileRun) => runFileOp(run),
  readAhead: (plan: ReadAhead) => readAhead(plan),
  digest: (task: SelectionTask) => digestSelection(task),
});
