import type { BuildEvent, Digest, InstructionEvent, VertexEvent } from "../../core/index.ts";
import type { Display, Terminal } from "./display.ts";
import { printableLine } from "./format.ts";
import { createBuildState } from "./state.ts";

/**
 * What the classic builder prints: instructions by number, the container of each RUN with its output, and the image that
 * each instruction gave. Reads a build of `schedule: "legacy"`.
 *
 * @param context the build context as the user named it
 */
export function legacyDisplay(out: Terminal, context: string): Display {
  const build = createBuildState();
  let process: Digest | undefined;

  function instruction({ number, total, text, trigger, triggers, done, ...event }: InstructionEvent): void {
    process = event.process;
    if (done === undefined) {
      if (!trigger) out.write(`Step ${number}/${total} : ${printableLine(text)}\n`);
      if (triggers > 0) out.write(`# Executing ${triggers} build trigger${triggers === 1 ? "" : "s"}\n`);
      return;
    }
    if (done.cached) out.write(" ---> Using cache\n");
    if (!trigger) out.write(` ---> ${done.image === undefined ? "" : shortDigest(done.image)}\n`);
  }

  function container({ digest, started, completed, cached, error }: VertexEvent): void {
    if (started === undefined || cached) return;
    if (completed === undefined) out.write(` ---> Running in ${shortDigest(digest)}\n`);
    else if (error === undefined) out.write(`Removing intermediate container ${shortDigest(digest)}\n`);
  }

  out.write(`Reading build context in place: ${printableLine(context)}\n`);
  return {
    event(event: BuildEvent) {
      if (event.kind === "instruction") instruction(event);
      const { state, lines } = build.apply(event);
      if (process === undefined || state?.digest !== process) return;
      for (const line of lines) out.write(`${printableLine(line.text)}\n`);
      if (event.kind === "vertex") container(event);
    },
    end() {},
  };
}

/** Ids as docker shows them. A container is known by the digest of its step. */
function shortDigest(digest: Digest): string {
  return digest.slice("sha256:".length).slice(0, 12);
}
