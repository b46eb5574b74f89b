import type { CopySpec, Instruction, KeyValue } from "./types.ts";

type Expander = (text: string) => string;

/**
 * The instruction with variables expanded where the language allows it: keys and values of ENV and LABEL;
 * paths, owner, mode and checksum of COPY and ADD; WORKDIR, USER, VOLUME, STOPSIGNAL. Others are returned as
 * they are, because they follow rules of their own: ARG (its value may come from the caller), EXPOSE (one word
 * may become several), `RUN --mount` (`resolveMount`), and what the shell expands when it runs.
 *
 * @param expand removes quotes (`expandWord`)
 * @param expandBody keeps them: for here-documents of COPY and ADD (`expandWord` with `skipQuotes`, and `\` as
 *   escape whatever the file says)
 */
export function expandInstruction<T extends Instruction>(
  instruction: T,
  expand: Expander,
  expandBody: Expander,
): T;
export function expandInstruction(
  instruction: Instruction,
  expand: Expander,
  expandBody: Expander,
): Instruction {
  switch (instruction.kind) {
    case "env":
    case "label":
      return { ...instruction, pairs: instruction.pairs.map((pair) => expandPair(pair, expand)) };
    case "add": {
      const owner = expandOwner(instruction, expand);
      const checksum = expand(instruction.checksum);
      return { ...instruction, ...owner, checksum, ...expandPaths(instruction, expand, expandBody) };
    }
    case "copy": {
      const owner = expandOwner(instruction, expand);
      return { ...instruction, ...owner, ...expandPaths(instruction, expand, expandBody) };
    }
    case "workdir":
      return { ...instruction, path: expand(instruction.path) };
    case "user":
      return { ...instruction, user: expand(instruction.user) };
    case "volume":
      return { ...instruction, volumes: instruction.volumes.map((volume) => expand(volume)) };
    case "stopsignal":
      return { ...instruction, signal: expand(instruction.signal) };
    default:
      return instruction;
  }
}

function expandPair(pair: KeyValue, expand: Expander): KeyValue {
  const key = expand(pair.key);
  return { ...pair, key, value: expand(pair.value) };
}

function expandOwner(spec: CopySpec, expand: Expander) {
  const chown = expand(spec.chown);
  return { chown, chmod: expand(spec.chmod) };
}

function expandPaths(spec: CopySpec, expand: Expander, expandBody: Expander) {
  const sources = spec.sources.map((source) => expand(source));
  const destination = expand(spec.destination);
  const contents = spec.contents.map((content) =>
    content.expand ? { ...content, data: expandBody(content.data) } : content,
  );
  return { sources, destination, contents };
}
