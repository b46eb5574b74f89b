import { ensureDebianPackages, testPackages } from "./debian-packages.ts";
import { run } from "./run.ts";

if (ensureDebianPackages(testPackages).length > 0) process.exit(1);
run("checks", process.execPath, ["scripts/check.ts"]);
run("build", process.execPath, ["scripts/build.ts"]);
run("tests", process.execPath, ["--test", "src/**/*.test.ts", "reference/**/*.test.ts", "test/**/*.test.ts"]);
