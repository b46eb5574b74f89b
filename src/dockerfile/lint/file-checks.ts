import type { InstructionNode } from "../parser/ast.ts";
import type { StageSource } from "../stages/types.ts";
import { type RuleName, type Warning, warningOf } from "./rules.ts";

/** Warnings about one instruction as it is written, before it is known to make sense. */
export function writtenWarnings(node: InstructionNode): Warning[] {
  if (node.keyword === "MAINTAINER")
    return [
      warn(node, "MaintainerDeprecated", "Maintainer instruction is deprecated in favor of using label"),
    ];
  if (node.keyword !== "FROM") return [];
  return [...stageNameCasing(node), ...asCasing(node)];
}

function warn(node: InstructionNode, rule: RuleName, message: string): Warning {
  return warningOf(rule, message, [node.range], node.comments);
}

function stageNameCasing(node: InstructionNode): Warning[] {
  const name = node.words.length === 3 ? node.words[2]!.text : "";
  if (name === name.toLowerCase()) return [];
  return [warn(node, "StageNameCasing", `Stage name '${name}' should be lowercase`)];
}

function asCasing(node: InstructionNode): Warning[] {
  const as = node.words.length < 3 ? undefined : node.words[1]!.text;
  const from = node.name.text;
  const inCase = isLower(from) ? isLower : isUpper(from) ? isUpper : undefined;
  if (as === undefined || inCase === undefined || inCase(as)) return [];
  return [warn(node, "FromAsCasing", `'${as}' and '${from}' keywords' casing do not match`)];
}

/** Warns when the comment right above FROM or ARG looks like a description, and is not one of `names`. */
export function descriptionWarnings(node: InstructionNode, names: readonly string[]): Warning[] {
  const comment = node.comments.at(-1);
  const [first] = names;
  if (comment === undefined || first === undefined || names.includes(comment.split(" ", 1)[0]!)) return [];
  const example = names.length > 1 ? "<arg_key>" : first;
  const message = `Comment for ${node.keyword} should follow the format: \`# ${example} <description>\``;
  return [warn(node, "InvalidDefinitionDescription", message)];
}

/** Warnings about the names of the stages. */
export function stageNameWarnings(stages: readonly StageSource[]): Warning[] {
  const seen = new Set<string>();
  const warnings: Warning[] = [];
  for (const { name, from } of stages) {
    if (name === undefined) continue;
    const quoted = JSON.stringify(name);
    if (name === "scratch" || name === "context") {
      const message = `Stage name should not use the same name as reserved stage ${quoted}`;
      warnings.push(warningOf("ReservedStageName", message, [from.range]));
    }
    if (seen.has(name)) {
      const message = `Duplicate stage name ${quoted}, stage names should be unique`;
      warnings.push(warningOf("DuplicateStageName", message, [from.range]));
    }
    seen.add(name);
  }
  return warnings;
}

/** The casing that most instructions have; a tie is upper case. */
export function majorityCasing(stages: readonly StageSource[]): "lowercase" | "uppercase" {
  return casingOf(countNames(stages));
}

/** Warns of instructions that are not in the casing of most. */
export function casingWarnings(stages: readonly StageSource[]): Warning[] {
  const counts = countNames(stages);
  const casing = casingOf(counts);
  const others = new Set(
    [...counts.keys()].filter((name) => !(casing === "lowercase" ? isLower : isUpper)(name)),
  );
  if (others.size === 0) return [];
  return stages
    .flatMap(({ from, instructions }) => [from, ...instructions])
    .filter(({ name }) => others.has(name))
    .map(({ name, range }) => {
      const message = `Command '${name}' should match the case of the command majority (${casing})`;
      return warningOf("ConsistentInstructionCasing", message, [range]);
    });
}

/** How often each name is written; there are few of them in a long file. */
function countNames(stages: readonly StageSource[]): Map<string, number> {
  const counts = new Map<string, number>();
  const add = (name: string) => counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const { from, instructions } of stages) {
    add(from.name);
    for (const { name } of instructions) add(name);
  }
  return counts;
}

function casingOf(counts: ReadonlyMap<string, number>): "lowercase" | "uppercase" {
  let [lower, upper] = [0, 0];
  for (const [name, count] of counts) {
    if (isLower(name)) lower += count;
    else if (isUpper(name)) upper += count;
  }
  return lower > upper ? "lowercase" : "uppercase";
}

function isLower(text: string): boolean {
  return text === text.toLowerCase();
}

function isUpper(text: string): boolean {
  return text === text.toUpperCase();
}
