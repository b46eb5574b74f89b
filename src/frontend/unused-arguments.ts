import type { DockerfileStages } from "../dockerfile/index.ts";
import { didYouMean } from "../dockerfile/index.ts";
import type { FrontendWarning } from "./types.ts";

/** Arguments that nobody needs to declare: predefined ones and those that steer BuildKit. */
const predefined =
  /^(BUILDKIT_.*|SOURCE_DATE_EPOCH|(http|https|ftp|no|all)_proxy|(BUILD|TARGET)(PLATFORM|OS|OSVERSION|ARCH|VARIANT)|TARGETSTAGE)$/i;

/** A warning for every `--build-arg` that no ARG of the file declares. */
export function unusedArguments(
  { globalArgs, stages }: DockerfileStages,
  buildArgs: Readonly<Record<string, string>>,
): FrontendWarning[] {
  const declared = new Set<string>();
  for (const { node } of [...globalArgs, ...stages.flatMap((stage) => stage.instructions)]) {
    const { keyword, words } = node.trigger ?? node;
    if (keyword === "ARG") for (const { text } of words) declared.add(text.replace(/=.*/s, ""));
  }
  return Object.keys(buildArgs)
    .filter((key) => !declared.has(key) && !predefined.test(key))
    .map((key) => {
      const near = didYouMean(key, declared);
      const message = `build argument ${key} is not used: no ARG declares it${near === undefined ? "" : `; ${near}`}`;
      return { message, ranges: [] };
    });
}
