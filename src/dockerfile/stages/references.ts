import type { SourceRange } from "../../core/index.ts";
import type { StageInstruction } from "../instructions/types.ts";
import type { SourceText } from "../parser/ast.ts";
import { errorAt } from "../parser/source.ts";
import { expandWord } from "../shell/expand.ts";
import { locate } from "./locate.ts";
import type { StageReference, StageSource, StageSourceUse } from "./types.ts";

/** What names in a Dockerfile can stand for. */
export interface Names {
  readonly source: SourceText;
  readonly escapeToken: "\\" | "`";
  readonly stages: readonly StageSource[];
  readonly namedContext: (name: string) => boolean;
}

const noVariables = { get: () => undefined };

/** A name that is no stage: a named context, `scratch`, or an image. */
export function outsideReference(name: string, names: Names): StageReference {
  if (name === "scratch") return { kind: "scratch" };
  return isContext(name, names) ? { kind: "context", name } : { kind: "image", name };
}

/** Whether a named context replaces what is called so; `scratch` and `context` cannot be replaced. */
export function isContext(name: string, names: Names): boolean {
  const lower = name.toLowerCase();
  return lower !== "scratch" && lower !== "context" && names.namedContext(name);
}

/** Stages and images that an instruction reads from, in the order in which it names them. */
export function usesOf(
  instruction: StageInstruction,
  names: Names,
  byName: ReadonlyMap<string, number>,
): StageSourceUse[] {
  if (instruction.kind === "copy" && instruction.from !== undefined) {
    const range = instruction.range === instruction.node.range ? instruction.fromRange! : instruction.range;
    const source = copySource(instruction.from, range, names, byName);
    return [{ by: "copy", source, name: instruction.from, instruction, range }];
  }
  if (instruction.kind !== "run") return [];
  const uses: StageSourceUse[] = [];
  for (const [mount, { from, range: flagRange }] of instruction.mounts.entries()) {
    if (!from) continue;
    const range = instruction.range === instruction.node.range ? flagRange : instruction.range;
    uses.push({
      by: "mount",
      source: namedSource(from, names, byName),
      name: from,
      instruction,
      mount,
      range,
    });
  }
  return uses;
}

function namedSource(name: string, names: Names, byName: ReadonlyMap<string, number>): StageReference {
  const stage = byName.get(name.toLowerCase());
  return stage === undefined ? outsideReference(name, names) : { kind: "stage", stage };
}

/** `--from` takes a stage's number too, which a mount's `from` does not, as in BuildKit. */
function copySource(
  from: string,
  range: SourceRange,
  names: Names,
  byName: ReadonlyMap<string, number>,
): StageReference {
  const { source, escapeToken, stages } = names;
  const expanded = locate(source, range, () => expandWord(from, noVariables, { escape: escapeToken }).text);
  if (expanded !== from)
    throw errorAt(
      source,
      range,
      "invalid-argument",
      "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround",
      { hint: `ARG before the first FROM, then FROM ${from} AS <name>, and --from=<name>` },
    );
  if (!/^[-+]?\d+$/.test(from)) return namedSource(from, names, byName);
  const stage = Number(from);
  if (stage < 0 || stage >= stages.length)
    throw errorAt(source, range, "invalid-argument", `invalid stage index ${stage}`, {
      hint: listStages(stages),
    });
  return { kind: "stage", stage };
}

/** All stages for a hint: `stages: 0 (build), 1, 2 (test)`. */
export function listStages(stages: readonly StageSource[]): string {
  const shown = stages
    .slice(0, 20)
    .map(({ index, name }) => (name === undefined ? `${index}` : `${index} (${name})`));
  if (stages.length > shown.length) shown.push("…");
  return `stages: ${shown.join(", ")}`;
}
