import { installed, run } from "./run.ts";

run("format and lint", installed("biome"), ["check", "--error-on-warnings", "."]);
run("types", installed("tsc"), ["-p", "."]);
