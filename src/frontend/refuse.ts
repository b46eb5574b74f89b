import { BuildError, type Digest, type SourceRange, withDetails } from "../core/index.ts";
import type { LlbVertex } from "../llb/index.ts";
import type { BuildContext } from "./stage-state.ts";

/** An error that points at a place in the Dockerfile. */
export function errorAtRange(
  build: Pick<BuildContext, "dockerfile">,
  range: SourceRange,
  error: unknown,
): BuildError {
  const { source } = build.dockerfile;
  return withDetails(error, { source: { file: source.name, text: source.text, ranges: [range] } });
}

/** Refuses what the solver cannot do, by the name the user wrote. */
export function requireCapability(build: BuildContext, capability: string, feature: string): void {
  if (!build.capabilities.has(capability)) throw refuse(feature);
}

/** Refuses what whoever builds did not allow. */
export function requireEntitlement({ options }: BuildContext, entitlement: string): void {
  if (options.entitlements === undefined || options.entitlements.has(entitlement)) return;
  throw new BuildError("permission-denied", `${entitlement} is not allowed`, {
    hint: `grant it with --allow ${entitlement}`,
  });
}

/** The error for a part of the language that is not carried out. */
export function refuse(feature: string): BuildError {
  return new BuildError("unimplemented", `${feature} is not supported yet`);
}

/** An instruction that says something impossible. */
export function invalid(message: string, hint?: string): BuildError {
  return new BuildError("invalid-argument", message, { hint });
}

/** `RUN []`: BuildKit notices it when it writes the graph down, and so not where a stage is left out or checked. */
export function refuseEmptyCommands(vertices: ReadonlyMap<Digest, LlbVertex>): void {
  for (const { op } of vertices.values())
    if (op.body?.kind === "exec" && op.body.meta.args.length === 0)
      throw invalid("failed to marshal LLB definition: arguments are required", "a RUN has an empty list");
}
