import type { SourceRange } from "../core/index.ts";
import { checkOptionsOf, expandWord, type Stage, shownWarnings, type Warning } from "../dockerfile/index.ts";
import { allCapabilities } from "./capabilities.ts";
import { type ConvertedDockerfile, checkArgument, convertDockerfile, lintFailure } from "./frontend.ts";
import { parseOwnSyntax, readDockerfile } from "./read.ts";
import type { LentThing, StageNotes } from "./stage-state.ts";
import type { Bridge, FrontendOptions } from "./types.ts";

/** Lines of the Dockerfile, in BuildKit's form: a range for each line, without columns. */
export interface LineLocation {
  readonly ranges: readonly {
    readonly start: { readonly line: number };
    readonly end: { readonly line: number };
  }[];
}

/** What a target can be given, in BuildKit's form: `--call outline` prints it as JSON. */
export interface Outline {
  readonly name?: string;
  readonly description?: string;
  readonly args?: readonly OutlineArg[];
  readonly secrets?: readonly OutlineSecret[];
  readonly ssh?: readonly OutlineSecret[];
  /** The Dockerfile in base64. */
  readonly sources: readonly string[];
}

export interface OutlineArg {
  readonly name: string;
  readonly description?: string;
  readonly value?: string;
  readonly location?: LineLocation;
}

export interface OutlineSecret {
  readonly name: string;
  readonly required?: true;
  readonly location?: LineLocation;
}

/** The stages of a Dockerfile, in BuildKit's form: `--call targets` prints it as JSON. */
export interface TargetList {
  readonly targets: readonly {
    readonly name?: string;
    readonly default?: true;
    readonly description?: string;
    /** As written. */
    readonly base?: string;
    readonly platform?: string;
    readonly location?: LineLocation;
  }[];
  /** The Dockerfile in base64. */
  readonly sources: readonly string[];
}

/** The stages of the file. Throws when it does not parse. */
export function listTargets(content: Uint8Array | string, file: string): TargetList {
  const { stages } = readDockerfile(content, file);
  return {
    targets: stages.map(({ name, from, index }) => ({
      ...(name !== undefined && { name }),
      ...(index === stages.length - 1 && { default: true }),
      ...(from.doc !== undefined && { description: from.doc }),
      base: from.base,
      ...(from.platform !== undefined && { platform: from.platform }),
      location: linesOf(from.range),
    })),
    sources: [base64(content)],
  };
}

/** The arguments, secrets and ssh agents that the target uses, with those of the stages that it needs. */
export async function outlineDockerfile(
  content: Uint8Array | string,
  options: FrontendOptions,
  bridge: Bridge,
): Promise<Outline> {
  const dockerfile = parseOwnSyntax(content, options.file, options.buildArgs);
  const checks = checkOptionsOf(dockerfile, options.buildArgs?.[checkArgument]);
  const warnings: Warning[] = [];
  const converted = await convertDockerfile(
    dockerfile,
    content,
    { ...options, capabilities: allCapabilities },
    bridge,
    warnings,
  );
  const shown = checks.error ? shownWarnings(warnings, dockerfile, checks) : [];
  if (shown.length > 0) throw lintFailure(converted.source, shown);
  const target = converted.graph.stages[converted.graph.target]!;
  const chain = stagesBelow(target, converted);
  const args = inOrder(firstOfName(chain.flatMap((stage) => argsOf(stage, converted))));
  const lent = (pick: (notes: StageNotes) => readonly LentThing[]) =>
    inOrder(
      firstOfName(chain.flatMap(({ index }) => (notesOf(converted, index, pick) ?? []).map(outlineSecret))),
    );
  const secrets = lent((notes) => notes.secrets);
  const ssh = lent((notes) => notes.sshAgents);
  return {
    ...(target.name !== undefined && { name: target.name }),
    ...(target.from.doc !== undefined && { description: target.from.doc }),
    ...(args.length > 0 && { args }),
    ...(secrets.length > 0 && { secrets }),
    ...(ssh.length > 0 && { ssh }),
    sources: [base64(content)],
  };
}

function notesOf<T>(
  { build }: ConvertedDockerfile,
  index: number,
  pick: (notes: StageNotes) => T,
): T | undefined {
  const notes = build.notes.get(index);
  return notes === undefined ? undefined : pick(notes);
}

/** The stage, then its base and the stages that it reads from, each with all of theirs. */
function stagesBelow(target: Stage, { graph }: ConvertedDockerfile): Stage[] {
  const found = new Set<Stage>();
  const visit = (stage: Stage) => {
    if (found.has(stage)) return;
    found.add(stage);
    if (stage.replacedBy !== undefined) return;
    if (stage.base.kind === "stage") visit(graph.stages[stage.base.stage]!);
    for (const { source } of stage.uses) if (source.kind === "stage") visit(graph.stages[source.stage]!);
  };
  visit(target);
  return [...found];
}

/** The ARGs of a stage, and those before the first FROM that it uses, directly or in the default of another. */
function argsOf(stage: Stage, converted: ConvertedDockerfile): OutlineArg[] {
  const global = globalArgs(converted);
  const own = new Map<string, OutlineArg>();
  const used = new Set<string>(fromArgs(stage, converted));
  for (const { key, value, doc, range, global: inherited } of notesOf(
    converted,
    stage.index,
    ({ args }) => args,
  ) ?? []) {
    used.add(key);
    if (!inherited) own.set(key, outlineArg(key, value, doc, range));
  }
  for (const key of used)
    if (!own.has(key)) for (const dependency of global.get(key)?.uses ?? []) used.add(dependency);
  return [...used].flatMap((key) => own.get(key) ?? global.get(key)?.arg ?? []);
}

/** Arguments in the FROM of a stage and of those that it is built on. */
function fromArgs(stage: Stage, converted: ConvertedDockerfile): string[] {
  const below =
    stage.base.kind === "stage" ? fromArgs(converted.graph.stages[stage.base.stage]!, converted) : [];
  return [...stage.usedArgs, ...below];
}

interface GlobalArg {
  readonly arg: OutlineArg;
  readonly uses: ReadonlySet<string>;
}

function globalArgs({ source, graph, build }: ConvertedDockerfile): ReadonlyMap<string, GlobalArg> {
  const found = new Map<string, GlobalArg>();
  const buildArgs = build.options.buildArgs ?? {};
  for (const { args, range } of source.globalArgs)
    for (const { key, value, doc } of args) {
      const given = Object.hasOwn(buildArgs, key);
      const uses =
        given || value === undefined
          ? new Set<string>()
          : usesOf(value, graph.globalArgs, build.dockerfile.escape);
      if (uses.delete(key)) for (const name of found.get(key)?.uses ?? []) uses.add(name);
      const set = given || value !== undefined ? graph.globalArgs.get(key) : undefined;
      found.set(key, { arg: outlineArg(key, set, doc, range), uses });
    }
  return found;
}

function usesOf(text: string, scope: ReadonlyMap<string, string>, escapeToken: "\\" | "`"): Set<string> {
  return new Set(expandWord(text, scope, { escape: escapeToken }).matched);
}

function outlineArg(
  name: string,
  value: string | undefined,
  doc: string | undefined,
  range: SourceRange,
): OutlineArg {
  return {
    name,
    ...(doc && { description: doc }),
    ...(value && { value }),
    location: linesOf(range),
  };
}

function outlineSecret({ id, required, range }: LentThing): OutlineSecret {
  return { name: id, ...(required && { required: true }), location: linesOf(range) };
}

function firstOfName<T extends { readonly name: string }>(items: readonly T[]): T[] {
  return items.filter((item, index) => items.findIndex(({ name }) => name === item.name) === index);
}

function inOrder<T extends { readonly location?: LineLocation }>(items: readonly T[]): T[] {
  const line = ({ location }: T) => location?.ranges[0]?.start.line ?? 0;
  return [...items].sort((a, b) => line(a) - line(b));
}

/** A range for each of the lines. */
export function linesOf({ start, end }: SourceRange): LineLocation {
  const count = Math.max(end.line - start.line, 0) + 1;
  return {
    ranges: Array.from({ length: count }, (_, i) => ({
      start: { line: start.line + i },
      end: { line: start.line + i },
    })),
  };
}

function base64(content: Uint8Array | string): string {
  return Buffer.from(content).toString("base64");
}
