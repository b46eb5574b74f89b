import { ensureDebianPackages, testPackages } from "./debian-packages.ts";
import { run } from "./run.ts";

if (ensureDebianPackages(testPackages).length > 0) process.exit(1);
run("checks", process.execPath, ["scripts/check.ts"]);
run("build", process.execPath, ["scripts/build.ts"]);

const minute = 60_000;
// Something that hangs is named after its file's limit, and cannot hold the machine for hours.
run(
  "tests",
  process.execPath,
  [
    "--test",
    `--test-timeout=${10 * minute}`,
    "--test-force-exit",
    "src/**/*.test.ts",
    "reference/**/*.test.ts",
    "test/**/*.test.ts",
  ],
  45 * minute,
);
