import { serveTasks, withTransfer } from "../core/index.ts";
import { type HashTask, runHash, runScan, type ScanTask } from "./local-tasks.ts";

serveTasks({
  scan(task: ScanTask) {
    const table = runScan(task)!;
    const { size, mtime, ctime, dev, ino, rdev } = table;
    return withTransfer(
      table,
      [size, mtime, ctime, dev, ino, rdev].map((column) => column.buffer),
    );
  },
  hash(task: HashTask) {
    const hashes = runHash(task);
    return withTransfer(hashes, [hashes.digests.buffer]);
  },
});
