import { serveTasks, withTransfer } from "../core/index.ts";
import { type FilesToHash, hashFiles } from "./local-hash.ts";
import { runComparison, runScan, type ScanTask } from "./local-tasks.ts";

serveTasks({
  scan(task: ScanTask) {
    const table = runScan(task)!;
    const { size, mtime, ctime, dev, ino, rdev } = table;
    return withTransfer(
      table,
      [size, mtime, ctime, dev, ino, rdev].map((column) => column.buffer),
    );
  },
  compare: runComparison,
  hash(files: FilesToHash) {
    const hashes = hashFiles(files);
    return withTransfer(hashes, [hashes.digests.buffer, hashes.stats.buffer]);
  },
});
