import { BuildError, hostPlatform, type Platform, parsePlatformAsWritten } from "../../core/index.ts";
import type { StageInstruction } from "../instructions/types.ts";
import { defaultBaseWarnings, platformWarnings, undeclaredArgWarnings } from "../lint/from-checks.ts";
import type { Warning } from "../lint/rules.ts";
import { errorAt } from "../parser/source.ts";
import { expandWord } from "../shell/expand.ts";
import type { Expansion } from "../shell/types.ts";
import { didYouMean } from "../suggest.ts";
import { addGlobalArgs, defaultGlobalArgs } from "./global-args.ts";
import { locate } from "./locate.ts";
import { reach } from "./reach.ts";
import { isContext, listStages, type Names, outsideReference, usesOf } from "./references.ts";
import { readTrigger, triggersOf } from "./triggers.ts";
import type {
  ConnectedStage,
  DockerfileStages,
  PlanOptions,
  StageGraph,
  StageReference,
  StageSource,
} from "./types.ts";

/** ONBUILD multiplies: a small file could ask for billions of instructions. */
const mostTriggers = 100_000;

/**
 * Connects the stages with each other and finds which of them the target needs. Nothing outside the
 * Dockerfile is looked at: when base images turn out to have ONBUILD triggers, plan again with `triggers`.
 * Throws `invalid-argument` for a base that is blank, an unknown stage, a cycle, or a needed stage that reads
 * from a later one; `not-found` for an unknown target; `warnings` then has those of what was seen before.
 */
export function planStages(
  source: DockerfileStages,
  options: PlanOptions = {},
  warnings: Warning[] = [...source.warnings],
): StageGraph {
  const { dockerfile, stages } = source;
  const names: Names = {
    source: dockerfile.source,
    escapeToken: dockerfile.escape,
    stages,
    namedContext: options.namedContext ?? (() => false),
  };
  for (const warning of defaultWarnings(source, options)) warnings.push(warning);
  const globalArgs = globalScope(source, options);
  const bases = resolveBases(source, names, globalArgs, warnings);
  const target = targetOf(stages, options.target);
  const connected = connect(bases, names, options);
  const wanted = options.allStages ? "all" : options.earlierStages ? "earlier" : "needed";
  const planned = reach(connected, target, dockerfile.source, wanted);
  const needed = planned.filter((stage) => stage.needed).map((stage) => stage.index);
  return { stages: planned, target, needed, globalArgs, warnings };
}

/** What FROM would start from if no build argument were given. */
function defaultWarnings(source: DockerfileStages, options: PlanOptions): Warning[] {
  const { escape: escapeToken } = source.dockerfile;
  try {
    const scope = globalScope(source, options, {});
    return source.stages.flatMap(({ from }) =>
      defaultBaseWarnings(from, expandWord(from.base, scope, { escape: escapeToken }).text),
    );
  } catch {
    return []; // the same mistake is reported when the values that hold are expanded
  }
}

/** `values` are those of the ARGs of the file; the predefined ones follow the build arguments. */
function globalScope(
  { dockerfile, globalArgs, stages }: DockerfileStages,
  options: PlanOptions,
  values = options.buildArgs ?? {},
): Map<string, string> {
  const build = options.buildPlatform ?? hostPlatform();
  const buildArgs = options.buildArgs ?? {};
  const targetName = options.target || stages.at(-1)!.name || "";
  const scope = defaultGlobalArgs(build, options.targetPlatform ?? build, targetName, buildArgs);
  return addGlobalArgs(scope, globalArgs, values, dockerfile.source, dockerfile.escape);
}

function connect(bases: readonly BasedStage[], names: Names, options: PlanOptions): ConnectedStage[] {
  const byName = new Map(
    names.stages.flatMap(({ name, index }) => (name === undefined ? [] : [[name, index]])),
  );
  let inherited = 0;
  return bases.map((stage) => {
    if (stage.replacedBy !== undefined) return { ...stage, triggers: [], uses: [] };
    const triggers = triggersFor(stage, bases, names, options);
    inherited += triggers.length;
    if (inherited > mostTriggers)
      throw errorAt(
        names.source,
        stage.from.range,
        "resource-exhausted",
        "too many ONBUILD triggers in all stages",
      );
    const uses = [...triggers, ...stage.instructions].flatMap((item) => usesOf(item, names, byName));
    return { ...stage, triggers, uses };
  });
}

type BasedStage = Omit<ConnectedStage, "triggers" | "uses">;

function triggersFor(
  stage: BasedStage,
  bases: readonly BasedStage[],
  names: Names,
  options: PlanOptions,
): StageInstruction[] {
  const given = (options.triggers?.get(stage.index) ?? []).map((text) =>
    readTrigger(text, stage.from, names.source),
  );
  if (stage.base.kind !== "stage") return given;
  const base = bases[stage.base.stage]!;
  return base.replacedBy === undefined ? [...given, ...triggersOf(base, stage.from, names.source)] : given;
}

/** Expands each FROM in the global scope. A base is an earlier stage of that name, else from outside. */
function resolveBases(
  { stages, globalArgs }: DockerfileStages,
  names: Names,
  scope: ReadonlyMap<string, string>,
  warnings: Warning[],
): BasedStage[] {
  const declared = new Set([...scope.keys(), ...globalArgs.flatMap((arg) => arg.args.map(({ key }) => key))]);
  const earlier = new Map<string, number>();
  return stages.map((stage) => {
    const { from, index, name } = stage;
    const base = expandBase(stage, names, scope, (unmatched) =>
      warnings.push(...undeclaredArgWarnings(unmatched, declared, from)),
    );
    const platform = platformOf(stage, names, scope, declared, warnings);
    const known = earlier.get(base.text.toLowerCase());
    const reference: StageReference =
      known === undefined ? outsideReference(base.text, names) : { kind: "stage", stage: known };
    if (name !== undefined) earlier.set(name, index);
    return {
      ...stage,
      label: name ?? `stage-${index}`,
      base: reference,
      baseName: base.text,
      ...(platform === undefined ? {} : { platform: platform.value }),
      ...(name !== undefined && isContext(name, names) ? { replacedBy: name } : {}),
      usedArgs: new Set([...base.matched, ...(platform?.matched ?? [])]),
    };
  });
}

function expandBase(
  { from }: StageSource,
  { source, escapeToken }: Names,
  scope: ReadonlyMap<string, string>,
  report: (unmatched: ReadonlySet<string>) => void,
) {
  const expansion = expandReporting(report, (unmatched) =>
    locate(source, from.baseRange, () => expandWord(from.base, scope, { escape: escapeToken, unmatched })),
  );
  if (expansion.text !== "") return expansion;
  throw errorAt(source, from.baseRange, "invalid-argument", `base name (${from.base}) should not be blank`, {
    hint:
      variableHint(expansion.unmatched, scope.keys()) ??
      "give the ARG a default before the first FROM, or use --build-arg",
  });
}

/** Reports what was looked up in vain, whether the expansion fails or not. */
function expandReporting(
  report: (unmatched: ReadonlySet<string>) => void,
  expand: (unmatched: Set<string>) => Expansion,
): Expansion {
  const unmatched = new Set<string>();
  try {
    return expand(unmatched);
  } finally {
    report(unmatched);
  }
}

/** A misspelt variable's nearest name, of the first that has one. */
function variableHint(unmatched: ReadonlySet<string>, known: Iterable<string>): string | undefined {
  const names = [...known];
  return [...unmatched].map((name) => didYouMean(name, names)).find((hint) => hint !== undefined);
}

function platformOf(
  { from }: StageSource,
  { source, escapeToken }: Names,
  scope: ReadonlyMap<string, string>,
  declared: ReadonlySet<string>,
  warnings: Warning[],
): { value: Platform; matched: ReadonlySet<string> } | undefined {
  const { platform } = from;
  if (platform === undefined) return undefined;
  const range = from.node.flags.find((flag) => flag.name === "--platform")?.range ?? from.range;
  const expansion = expandReporting(
    (unmatched) => warnings.push(...undeclaredArgWarnings(unmatched, declared, from)),
    (unmatched) =>
      locate(
        source,
        range,
        () => expandWord(platform, scope, { escape: escapeToken, unmatched }),
        "failed to process arguments for platform ",
      ),
  );
  const hint = variableHint(expansion.unmatched, scope.keys());
  if (expansion.text === "")
    throw errorAt(source, range, "invalid-argument", `empty platform value from expression ${platform}`, {
      hint,
    });
  const value = locate(
    source,
    range,
    () => parsePlatformAsWritten(expansion.text),
    `failed to parse platform ${platform}`,
  );
  warnings.push(...platformWarnings(from, expansion, value, scope));
  return { value, matched: expansion.matched };
}

function targetOf(stages: readonly StageSource[], target: string | undefined): number {
  if (!target) return stages.length - 1;
  const found = stages.findLast(({ name }) => name === target.toLowerCase());
  if (found !== undefined) return found.index;
  if (/^\d+$/.test(target) && Number(target) < stages.length) return Number(target);
  return refuseTarget(stages, target);
}

function refuseTarget(stages: readonly StageSource[], target: string): never {
  const names = stages.flatMap(({ name }) => (name === undefined ? [] : [name]));
  const near = didYouMean(target.toLowerCase(), names);
  const list = listStages(stages);
  throw new BuildError("not-found", `target stage ${JSON.stringify(target)} could not be found`, {
    hint: near === undefined ? list : `${near} ${list}`,
  });
}
