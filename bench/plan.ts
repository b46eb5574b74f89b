import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../scripts/run.ts";
import { time } from "./measure.ts";

/**
 * npm run bench:plan
 * Times `stagewright plan` of a Dockerfile with 1,000 instructions in 200 stages and of one with a single line, beside an
 * empty start of Node: what is between the two is reading and planning. One after the other in every round.
 */
const rounds = 31;

function largeDockerfile(): string {
  const stage = (index: number) => `FROM ${index === 0 ? "debian" : `stage${index - 1}`} AS stage${index}
ARG V${index}=${index}
RUN echo $V${index} && \\
  make -C /src
COPY --from=${index < 2 ? "debian" : `stage${index - 2}`} --chown=1:1 /a$V${index} /b
ENV A${index}="x \${V${index}:-y}"
`;
  return Array.from({ length: 200 }, (_, index) => stage(index)).join("");
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

const work = mkdtempSync(join(tmpdir(), "stagewright-plan-"));
try {
  const plan = (name: string, dockerfile: string): readonly string[] => {
    mkdirSync(join(work, name));
    writeFileSync(join(work, name, "Dockerfile"), dockerfile);
    const launcher = join(root, "bin", "stagewright.cjs");
    return [process.execPath, launcher, "plan", "--format=json", join(work, name)];
  };
  const commands = {
    node: [process.execPath, "-e", "0"],
    small: plan("small", "FROM debian\n"),
    large: plan("large", largeDockerfile()),
  };
  const times: Record<keyof typeof commands, number[]> = { node: [], small: [], large: [] };
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env as Record<string, string>;
  for (let round = 0; round < rounds; round++)
    for (const [name, argv] of Object.entries(commands)) {
      const { milliseconds, failure } = time({ argv, env });
      if (failure !== undefined) throw new Error(`${argv.join(" ")}: ${failure}`);
      // The first round fills the caches of compiled code.
      if (round > 0) times[name as keyof typeof commands].push(milliseconds);
    }
  const [node, small, large] = [times.node, times.small, times.large].map(median) as [number, number, number];
  const ratio = ((large - small) / node).toFixed(2);
  process.stdout.write(
    `node -e 0: ${node.toFixed(1)} ms; plan of one line: ${small.toFixed(1)} ms; of 1,000 instructions in 200 stages: ` +
      `${large.toFixed(1)} ms\nreading and planning them: ${(large - small).toFixed(1)} ms, ${ratio} × node -e 0\n`,
  );
} finally {
  rmSync(work, { recursive: true, force: true });
}
