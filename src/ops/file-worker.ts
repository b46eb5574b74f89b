import { serveTasks } from "../core/index.ts";
import { digestSelection, type SelectionTask } from "./file-keys.ts";
import { type FileRun, runFileOp } from "./file-run.ts";

serveTasks({
  run: (run: FileRun) => runFileOp(run),
  digest: (task: SelectionTask) => digestSelection(task),
});
