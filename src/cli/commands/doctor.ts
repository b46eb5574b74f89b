import { statfsSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { dirname } from "node:path";
import { defined, parsePlatform, toBuildError } from "../../core/index.ts";
import { diagnose, emulationOf, findTool } from "../../executor/index.ts";
import { storeRoot } from "../../store/index.ts";
import type { Call, Command } from "../command.ts";
import { formatSize } from "../progress/format.ts";
import { rootFlag } from "./common.ts";

/** `ok`, something that only some builds need, or something that makes RUN impossible. */
type Grade = "ok" | "note" | "missing";

interface Line {
  readonly grade: Grade;
  readonly subject: string;
  readonly text: string;
}

export const command: Command = {
  name: "doctor",
  summary: "Says what this machine can do, and what is missing. Exits 1 when RUN steps cannot work.",
  usage: "[OPTIONS]",
  flags: [rootFlag],
  minArgs: 0,
  maxArgs: 0,
  examples: ["stagewright doctor"],
  run: async (call) => {
    const lines = [machine(), store(call), ...(await sandbox(call)), emulators(), ...tools()];
    const marks = { ok: "ok     ", note: "note   ", missing: "MISSING" };
    for (const { grade, subject, text } of lines)
      process.stdout.write(`${marks[grade]}  ${subject.padEnd(10)} ${text}\n`);
    return lines.some(({ grade }) => grade === "missing") ? 1 : 0;
  },
};

function machine(): Line {
  const text = `Node ${process.version}, ${process.platform}/${process.arch}, ${availableParallelism()} processors, ${formatSize(totalmem(), 3)} memory`;
  return { grade: "ok", subject: "machine", text };
}

function store(call: Call): Line {
  const root = call.get("root");
  const path = storeRoot(defined({ root }));
  const { bavail, bsize } = statfsSync(existingAncestor(path));
  return { grade: "ok", subject: "store", text: `${path}, ${formatSize(bavail * bsize, 3)} free` };
}

function existingAncestor(path: string): string {
  for (let directory = path; ; directory = dirname(directory)) {
    try {
      statfsSync(directory);
      return directory;
    } catch (error) {
      if (dirname(directory) === directory) throw error;
    }
  }
}

/** Everything that RUN needs, each by itself. */
async function sandbox(call: Call): Promise<Line[]> {
  const root = call.get("root");
  const stateDir = existingAncestor(storeRoot(defined({ root })));
  const lines: Line[] = [];
  for (const { subject, check } of diagnose(stateDir)) {
    try {
      const { text, isNote } = await check();
      lines.push({ grade: isNote ? "note" : "ok", subject, text });
    } catch (error) {
      const { message, hint } = toBuildError(error);
      lines.push({ grade: "missing", subject, text: hint === undefined ? message : `${message} (${hint})` });
    }
  }
  return lines;
}

/** Platforms of other machines whose steps run here too. */
function emulators(): Line {
  const common = ["amd64", "arm64", "arm/v7", "386", "ppc64le", "riscv64", "s390x"];
  const emulated = common
    .map((architecture) => `linux/${architecture}`)
    .filter((name) => /^(kernel|mounted)$/.test(emulationOf(parsePlatform(name)).kind));
  return emulated.length > 0
    ? { grade: "ok", subject: "emulators", text: emulated.join(", ") }
    : {
        grade: "note",
        subject: "emulators",
        text: "none in binfmt_misc; needed for RUN steps of other platforms",
      };
}

/** Programs that some commands need. */
function tools(): Line[] {
  const wanted = [
    ["mmdebstrap", "stagewright bootstrap"],
    ["git", "repositories as context and in ADD"],
    ["xz", "ADD of .tar.xz"],
    ["bzip2", "ADD of .tar.bz2"],
  ] as const;
  return wanted.map(([name, purpose]) => {
    const path = findTool(name);
    return path === undefined
      ? { grade: "note", subject: name, text: `not on PATH; needed for ${purpose}` }
      : { grade: "ok", subject: name, text: path };
  });
}
