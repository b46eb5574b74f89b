import { run } from "./run.ts";

const patterns = process.argv.slice(2);
run("unit and contract tests", process.execPath, [
  "--test",
  ...(patterns.length > 0 ? patterns : ["src/**/*.test.ts"]),
]);
