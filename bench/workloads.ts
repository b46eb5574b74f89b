import { mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { baseName } from "./contenders.ts";
import type { Command } from "./measure.ts";

/** Something to build, the same for every contender, beside the least that any program would need for it. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  /**
   * `unchanged`: everything is built once before, and each round rebuilds the same.
   * `changed`: each round gets a Dockerfile that nobody has built before.
   * `cold`: everything is forgotten before each round.
   */
  readonly kind: "unchanged" | "changed" | "cold";
  readonly rounds: number;
  readonly target?: string;
  /** Makes the context's files, once. */
  makeContext(directory: string): void;
  /** Text of the Dockerfile; `round` is different each time. */
  dockerfile(round: string): string;
  /** Native limits. `scratch` is a directory that is emptied before each run. */
  natives(directory: string, scratch: string): readonly Native[];
}

export interface Native {
  readonly name: string;
  readonly command: Command;
}

/** The workloads, in the order of the table. `quick` makes them small: to see that they work, not how fast. */
export function workloads(quick: boolean): Workload[] {
  const files = quick ? 2_000 : 50_000;
  const megabytes = quick ? 32 : 512;
  const rounds = (full: number) => (quick ? 1 : full);
  return [
    noop(rounds(11)),
    runSteps(rounds(5)),
    parallelStages(rounds(5)),
    manyFiles("cold", files, rounds(3)),
    manyFiles("unchanged", files, rounds(3)),
    oneLargeFile(megabytes, rounds(3)),
    oneStageOfTen(rounds(5)),
  ];
}

function noop(rounds: number): Workload {
  return {
    name: "no-op",
    title: "No-op rebuild: two stages, seven steps, nothing changed",
    kind: "unchanged",
    rounds,
    makeContext: (directory) => writeFiles(join(directory, "src"), 10, 1000),
    dockerfile: () => `FROM ${baseName} AS build
WORKDIR /src
COPY src ./
RUN cat */* > /all
FROM ${baseName}
COPY --from=build /all /all
RUN test -s /all
CMD ["cat", "/all"]
`,
    natives: () => [shell("node -e 0", [process.execPath, "-e", "0"])],
  };
}

function runSteps(rounds: number): Workload {
  const count = 20;
  return {
    name: "run-20",
    title: `${count} RUN steps, one after the other, each writing one file`,
    kind: "changed",
    rounds,
    makeContext: () => {},
    dockerfile: (round) =>
      [`FROM ${baseName}`, ...numbers(count).map((n) => `RUN echo ${round} > /step-${n}`), ""].join("\n"),
    natives: () => [
      shell(`${count} × unshare true`, [
        "sh",
        "-c",
        `for i in $(seq ${count}); do unshare --mount --pid --fork true; done`,
      ]),
    ],
  };
}

function parallelStages(rounds: number): Workload {
  return {
    name: "parallel-8",
    title: "8 independent stages of one second each, joined",
    kind: "changed",
    rounds,
    makeContext: () => {},
    dockerfile: (round) =>
      [
        ...numbers(8).map((n) => `FROM ${baseName} AS stage${n}\nRUN sleep 1 && echo ${round} > /done-${n}`),
        "FROM scratch",
        ...numbers(8).map((n) => `COPY --from=stage${n} /done-${n} /`),
        "",
      ].join("\n"),
    natives: () => [shell("sleep 1", ["sleep", "1"])],
  };
}

function manyFiles(kind: "cold" | "unchanged", count: number, rounds: number): Workload {
  return {
    name: kind === "cold" ? "files-cold" : "files-unchanged",
    title:
      kind === "cold"
        ? `${count.toLocaleString("en")} files of 1 to 10 KB copied from the context, nothing cached`
        : `The same ${count.toLocaleString("en")} files again, unchanged`,
    kind,
    rounds,
    makeContext: (directory) => writeFiles(join(directory, "files"), count, 5500),
    dockerfile: () => "FROM scratch\nCOPY files /files\n",
    natives: (directory, scratch) =>
      kind === "cold"
        ? [
            shell("tar | sha256sum", ["sh", "-c", "tar -cf - files | sha256sum"], directory),
            shell("cp -a", ["cp", "-a", "files", join(scratch, "files")], directory),
          ]
        : [
            shell(
              "find -printf",
              ["sh", "-c", "find files -printf '%p %s %T@ %C@ %i\\n' > /dev/null"],
              directory,
            ),
          ],
  };
}

function oneLargeFile(megabytes: number, rounds: number): Workload {
  return {
    name: "file-large",
    title: `One file of ${megabytes} MB copied from the context, nothing cached`,
    kind: "cold",
    rounds,
    makeContext: (directory) => writeFileSync(join(directory, "large"), noise(megabytes << 20)),
    dockerfile: () => "FROM scratch\nCOPY large /large\n",
    natives: (directory, scratch) => [
      shell("tar | sha256sum", ["sh", "-c", "tar -cf - large | sha256sum"], directory),
      shell("cp -a", ["cp", "-a", "large", join(scratch, "large")], directory),
    ],
  };
}

function oneStageOfTen(rounds: number): Workload {
  return {
    name: "one-of-ten",
    title: "One needed stage among ten; the other nine would sleep",
    kind: "changed",
    rounds,
    target: "wanted",
    makeContext: () => {},
    dockerfile: (round) =>
      [
        ...numbers(9).map((n) => `FROM ${baseName} AS idle${n}\nRUN sleep 1 && echo ${round}`),
        `FROM ${baseName} AS wanted\nRUN echo ${round} > /wanted`,
        "",
      ].join("\n"),
    natives: () => [shell("unshare true", ["unshare", "--mount", "--pid", "--fork", "true"])],
  };
}

function shell(name: string, argv: string[], cwd?: string): Native {
  return { name, command: { argv, ...(cwd !== undefined && { cwd }) } };
}

/** Files of very different sizes around an average, 100 to a directory, some hours old. */
function writeFiles(directory: string, count: number, averageSize: number): void {
  const pool = noise(averageSize * 2);
  const hoursAgo = Date.now() / 1000 - 10_000;
  for (let i = 0; i < count; i++) {
    const parent = join(directory, `d${Math.floor(i / 100)}`);
    if (i % 100 === 0) mkdirSync(parent, { recursive: true });
    const file = join(parent, `file-${i}`);
    const size = Math.round(averageSize * (0.2 + (1.6 * ((i * 7919) % 1000)) / 1000));
    // Every file is different: the number is part of it.
    writeFileSync(file, Buffer.concat([Buffer.from(`${i}\n`), pool.subarray(0, size)]));
    utimesSync(file, hoursAgo, hoursAgo);
  }
}

/** Bytes that do not compress well, the same in every run. */
function noise(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = 0x2545f491;
  for (let at = 0; at < length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state;
  }
  return bytes;
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

/** Empties a directory. */
export function emptied(directory: string): string {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  return directory;
}
