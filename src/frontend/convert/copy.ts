import { goText, parseGitReference, shownUrl, withoutLogins } from "../../core/index.ts";
import type { AddInstruction, CopyInstruction, CopySpec } from "../../dockerfile/index.ts";
import {
  type CopyAction,
  type FileRequest,
  fileVertex,
  type LlbEdge,
  mergeEdges,
  type OwnerRequest,
  parseOwner,
  plainCopy,
  type VertexOptions,
} from "../../llb/index.ts";
import { absolutePath, cleanKeepingSlash, cleanPath, joinPath } from "../paths.ts";
import { invalid, requireCapability } from "../refuse.ts";
import { commitLayer, type FileSource, type StageState, type Step } from "../stage-state.ts";
import { nameStep, shownText, stepOptions } from "../step-name.ts";
import { inlineFile } from "./inline-file.ts";
import { parseMode } from "./mode.ts";
import { warn } from "./warn.ts";

/** What COPY and ADD ask for. */
export interface CopyRequest extends CopySpec {
  readonly keyword: "COPY" | "ADD";
  readonly parents: boolean;
  /** Local archives are unpacked. */
  readonly unpack: boolean;
  readonly from: FileSource;
  /** Where sources lie that are no paths below `from`; `options` are for the vertex that fetches them. */
  readonly remote?: (source: string, options: VertexOptions) => RemoteFiles | undefined;
}

/** Files that ADD fetches, and what of them is copied. */
export interface RemoteFiles {
  readonly edge: LlbEdge;
  readonly path: string;
  readonly unpack: boolean;
}

/** COPY from the context, a stage, an image or a named context. */
export function convertCopy(state: StageState, step: Step<CopyInstruction>): StageState {
  const { instruction, stage } = step;
  for (const source of instruction.sources) {
    const kind = remoteKind(source);
    if (kind !== undefined)
      throw invalid(`source can't be a ${kind} for COPY`, `use ADD for ${shownUrl(source)}`);
  }
  const from = instruction.from === undefined ? stage.build.mainContext : stage.source(step.original);
  return copyFiles(state, step, { ...instruction, keyword: "COPY", unpack: false, from });
}

/** `https://…`, `git://…`, `git@host:…`: what only ADD could fetch. */
export function remoteKind(source: string): "URL" | "git ref" | undefined {
  if (parseGitReference(source) !== undefined) return "git ref";
  return /^https?:\/\//.test(source) ? "URL" : undefined;
}

/** Adds the files to the stage and marks what is used of their source. */
export function copyFiles(
  state: StageState,
  step: Step<CopyInstruction | AddInstruction>,
  request: CopyRequest,
): StageState {
  const { stage } = step;
  checkFeatures(step, request);
  const text = withoutLogins(shownText(step, state.env, step.instruction.code, false));
  const naming = { platform: state.platform, onbuild: step.onbuild, variables: state.env };
  const { name, state: named } = nameStep(stage, state, text, naming);
  const options = stepOptions(step, name);
  const actions = requestsOf(state, request, options);
  const linked = request.link && request.chmod === "" && stage.build.capabilities.has("mergeop");
  const edge = linked
    ? linkFiles(state, actions, options, nameStep(stage, state, `LINK ${text}`, naming).name)
    : fileVertex(state.edge, actions, options);
  for (const source of request.sources) {
    const kind = request.remote && remoteKind(source);
    // BuildKit counts `git@host:…` among the paths of the context, too.
    if (kind !== undefined && /^https?:/.test(source)) continue;
    request.from.paths.add(joinPath("/", source));
    if (kind === undefined && request.from === stage.build.mainContext)
      warnOfIgnored(step, request.keyword, source);
  }
  return commitLayer({ ...named, edge }, stage.build, historyOf(request));
}

function checkFeatures({ stage: { build } }: Step, request: CopyRequest): void {
  if (request.link && request.chmod === "") requireCapability(build, "mergeop", `${request.keyword} --link`);
  if (request.parents) requireCapability(build, "file.copy.includeexcludepatterns", "COPY --parents");
  if (request.exclude.length > 0)
    requireCapability(build, "file.copy.includeexcludepatterns", `${request.keyword} --exclude`);
}

function warnOfIgnored(step: Step, keyword: "COPY" | "ADD", source: string): void {
  const path = cleanPath(source);
  if (!step.stage.build.isIgnored(path)) return;
  const verb = keyword === "ADD" ? "Add" : "Copy";
  const message = `Attempting to ${verb} file ${goText.quote(path)} that is excluded by .dockerignore`;
  warn(step, "CopyIgnoredFile", message);
}

/** `--link`: the files become a layer of their own, which is then stacked on the stage. */
function linkFiles(
  state: StageState,
  actions: readonly FileRequest[],
  options: VertexOptions,
  mergeName: string,
): LlbEdge {
  const group = (weak: boolean) => ({ id: options.name ?? "", name: options.name ?? "", weak });
  const files = fileVertex(undefined, actions, { ...options, progressGroup: group(true) });
  const merged = mergeEdges([state.edge, files], {
    ...options,
    name: mergeName,
    progressGroup: group(false),
  });
  return merged ?? files;
}

function requestsOf(state: StageState, request: CopyRequest, options: VertexOptions): FileRequest[] {
  const destination = request.destination === "." || request.destination === "" ? "./" : request.destination;
  const dest = cleanKeepingSlash(absolutePath(state.cwd, destination, true));
  const common = {
    dest,
    ...(request.chown !== "" && { owner: parseOwner(request.chown) }),
    ...parseMode(request.chmod),
    excludePatterns: request.exclude,
  };
  const fromFiles = request.sources.map((source) => {
    const remote = request.remote?.(source, { ...options, ignoreCache: false });
    if (remote === undefined)
      return { source: request.from.edge, action: localCopy(source, request, common) };
    const { edge, path, unpack } = remote;
    return { source: edge, action: { ...plainCopy, ...common, src: path, attemptUnpack: unpack } };
  });
  const fromContents = request.contents.map(({ path, data }) => ({
    source: inlineFile(path, data, 0o644),
    action: { ...plainCopy, ...common, src: joinPath("/", path) },
  }));
  return [...fromFiles, ...fromContents];
}

type Common = Pick<CopyAction, "dest" | "mode" | "modeStr" | "excludePatterns"> & {
  readonly owner?: OwnerRequest;
};

function localCopy(source: string, request: CopyRequest, common: Common) {
  const { root, pattern } = request.parents ? splitPivot(source) : { root: source, pattern: undefined };
  return {
    ...plainCopy,
    ...common,
    src: cleanPath(absolutePath("/", root, false)),
    followSymlink: true,
    dirCopyContents: true,
    attemptUnpack: request.unpack,
    allowWildcard: true,
    allowEmptyWildcard: true,
    includePatterns: pattern === undefined ? [] : [pattern],
  };
}

/** `--parents`: directories after the pivot `/./`, or all of them, are kept. */
function splitPivot(source: string): { root: string; pattern: string } {
  const pivot = source.indexOf("/./");
  const root = pivot < 0 ? "/" : source.slice(0, pivot);
  const pattern = absolutePath("/", pivot < 0 ? source : source.slice(pivot + 3), false);
  return { root, pattern: pattern.replace(/^\//, "") };
}

function historyOf(request: CopyRequest): string {
  const words: string[] = [request.keyword];
  if (request.parents) words.push("--parents");
  if (request.chown !== "") words.push(`--chown=${request.chown}`);
  if (request.chmod !== "") words.push(`--chmod=${request.chmod}`);
  words.push(
    ...request.sources.map(shownUrl),
    ...request.contents.map((content) => `<<${content.path}`),
    request.destination,
  );
  return `${words.join(" ")} # buildkit`;
}
