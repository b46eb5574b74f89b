import { posix } from "node:path";
import { type Digest, type GitReference, parseGitReference, percentDecoded } from "../../core/index.ts";
import type { AddInstruction } from "../../dockerfile/index.ts";
import { gitSource, httpSource, type LlbVertex, type VertexOptions } from "../../llb/index.ts";
import { invalid } from "../refuse.ts";
import type { StageState, Step } from "../stage-state.ts";
import { copyFiles, type RemoteFiles, remoteKind } from "./copy.ts";

/** ADD: COPY that unpacks local archives, and fetches URLs and git repositories. */
export function convertAdd(state: StageState, step: Step<AddInstruction>): StageState {
  const { instruction, stage } = step;
  checkChecksum(instruction);
  return copyFiles(state, step, {
    ...instruction,
    keyword: "ADD",
    parents: false,
    unpack: instruction.unpack ?? true,
    from: stage.build.mainContext,
    remote: (source, options) => remoteFiles(source, options, instruction),
  });
}

function checkChecksum({ checksum, sources }: AddInstruction): void {
  if (checksum === "") return;
  if (sources.length !== 1) throw invalid("checksum can't be specified for multiple sources");
  if (remoteKind(sources[0]!) === undefined) throw invalid("checksum requires HTTP(S) or Git sources");
}

function remoteFiles(
  source: string,
  options: VertexOptions,
  instruction: AddInstruction,
): RemoteFiles | undefined {
  const repository = parseGitReference(source);
  if (repository !== undefined) {
    const edge = edgeOf(gitSource(withFlags(repository, instruction), options));
    return { edge, path: "/", unpack: false };
  }
  if (!/^https?:\/\//.test(source)) return undefined;
  const filename = fileNameOf(source);
  const checksum = instruction.checksum === "" ? undefined : checkedDigest(instruction.checksum);
  const file = httpSource(source, { filename, ...(checksum !== undefined && { checksum }) }, options);
  return { edge: edgeOf(file), path: `/${filename}`, unpack: instruction.unpack ?? false };
}

function edgeOf(vertex: LlbVertex) {
  return { vertex, index: 0 };
}

/** What the flags of the instruction and the query of its source say must not differ. */
function withFlags(repository: GitReference, { keepGitDir, checksum }: AddInstruction): GitReference {
  const keep = repository.keepGitDir ?? keepGitDir;
  if (keepGitDir !== undefined && keep !== keepGitDir)
    throw invalid("inconsistent keep-git-dir configuration");
  if (checksum !== "" && repository.checksum !== "" && checksum !== repository.checksum)
    throw invalid(`checksum mismatch ${JSON.stringify(checksum)} != ${JSON.stringify(repository.checksum)}`);
  const commit = repository.checksum || checksum;
  if (commit !== "" && !/^[0-9a-fA-F]+$/.test(commit))
    throw invalid(`invalid checksum ${commit} for Git URL, expected hex commit hash`);
  return { ...repository, checksum: commit, ...(keep !== undefined && { keepGitDir: keep }) };
}

/** The last part of the URL's path; where there is none, BuildKit's name for that. */
function fileNameOf(url: string): string {
  const path = /^https?:\/\/[^/?#]*([^?#]*)/.exec(url)?.[1] ?? "";
  const name = posix.basename(percentDecoded(path));
  return name === "" || name === "." || name === ".." ? "__unnamed__" : name;
}

function checkedDigest(text: string): Digest {
  if (!/^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/.test(text))
    throw invalid("invalid checksum digest format", "a checksum is sha256: and 64 hex digits");
  if (!text.startsWith("sha256:")) throw invalid("unsupported digest algorithm", "use sha256");
  if (!/^sha256:[0-9a-f]{64}$/.test(text))
    throw invalid("invalid checksum digest length", "a checksum is sha256: and 64 hex digits");
  return text as Digest;
}
