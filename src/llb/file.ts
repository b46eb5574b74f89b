import { inputIndex, type LlbEdge, makeVertex, type VertexOptions } from "./graph.ts";
import {
  type ChownOpt,
  type CopyAction,
  emptyInput,
  type FileAction,
  type FileActionBody,
  type MkdirAction,
  type MkfileAction,
  skipOutput,
  type UserOpt,
} from "./op.ts";

/** An owner by name or id, as `--chown` has it; not yet bound to the filesystem that knows the names. */
export interface OwnerRequest {
  readonly user?: { readonly name: string } | { readonly id: number };
  readonly group?: { readonly name: string } | { readonly id: number };
}

type WithOwner<T extends { owner?: ChownOpt }> = Omit<T, "owner"> & { readonly owner?: OwnerRequest };

/** A copy that is nothing but one; what it copies, and whatever is special about it, is put in place of these. */
export const plainCopy = {
  kind: "copy",
  src: "/",
  dest: "/",
  mode: -1,
  modeStr: "",
  followSymlink: false,
  dirCopyContents: false,
  attemptUnpack: false,
  createDestPath: true,
  allowWildcard: false,
  allowEmptyWildcard: false,
  timestamp: -1n,
  includePatterns: [],
  excludePatterns: [],
  alwaysReplaceExistingDestPaths: false,
  requiredPaths: [],
} as const satisfies CopyAction;

/** What to do to the files of the base; `copy` names where it copies from, `undefined` being empty. */
export type FileRequest =
  | { readonly action: WithOwner<CopyAction>; readonly source: LlbEdge | undefined }
  | { readonly action: WithOwner<MkfileAction> }
  | { readonly action: WithOwner<MkdirAction> };

/** Applies the actions one after the other to `base`; names of owners are looked up in `base`. */
export function fileVertex(
  base: LlbEdge | undefined,
  requests: readonly FileRequest[],
  options: VertexOptions,
): LlbEdge {
  const inputs: LlbEdge[] = [];
  const baseInput = base === undefined ? emptyInput : inputIndex(inputs, base);
  const sources = requests.map((request) =>
    "source" in request && request.source !== undefined ? inputIndex(inputs, request.source) : emptyInput,
  );
  const actions = requests.map(
    (request, i): FileAction => ({
      input: i === 0 ? baseInput : inputs.length + i - 1,
      secondaryInput: sources[i]!,
      output: i === requests.length - 1 ? 0 : skipOutput,
      action: bindOwner(request.action, baseInput),
    }),
  );
  const caps = ["file.base"];
  for (const { action } of requests) {
    if (action.kind !== "copy") continue;
    if (action.includePatterns.length + action.excludePatterns.length > 0)
      caps.push("file.copy.includeexcludepatterns");
    if (action.modeStr !== "") caps.push("file.copy.modestring");
  }
  const vertex = makeVertex({ kind: "file", actions }, inputs, { ...withoutPlatform(options), caps });
  return { vertex, index: 0 };
}

function bindOwner(action: FileRequest["action"], base: number): FileActionBody {
  const { owner, ...rest } = action;
  if (owner === undefined) return rest as FileActionBody;
  const bound: ChownOpt = {
    ...(owner.user !== undefined && { user: bindUser(owner.user, base) }),
    ...(owner.group !== undefined && { group: bindUser(owner.group, base) }),
  };
  return { ...rest, owner: bound } as FileActionBody;
}

function bindUser(user: { readonly name: string } | { readonly id: number }, base: number): UserOpt {
  return "name" in user ? { kind: "name", name: user.name, input: base } : { kind: "id", id: user.id };
}

/**
 * `user[:group]` as `--chown` has it. `root` and what reads as a number below 2^31 are ids, everything else
 * (an empty part apart, which is id 0 as in BuildKit) a name.
 */
export function parseOwner(text: string): OwnerRequest {
  const colon = text.indexOf(":");
  if (colon < 0) return { user: userOf(text) };
  return { user: userOf(text.slice(0, colon)), group: userOf(text.slice(colon + 1)) };
}

function userOf(text: string): { name: string } | { id: number } {
  if (text === "root" || text === "") return { id: 0 };
  if (/^[+-]?[0-9]+$/.test(text)) {
    const id = Number(text);
    if (id >= -(2 ** 31) && id < 2 ** 31) return { id: id >>> 0 };
  }
  return { name: text };
}

/** Stacks filesystems, later ones on top. Empty ones fall away. */
export function mergeEdges(
  layers: readonly (LlbEdge | undefined)[],
  options: VertexOptions,
): LlbEdge | undefined {
  const inputs = layers.filter((layer) => layer !== undefined);
  if (inputs.length < 2) return inputs[0];
  const body = { kind: "merge", inputs: inputs.map((_, i) => i) } as const;
  const vertex = makeVertex(body, inputs, { ...withoutPlatform(options), caps: ["mergeop"] });
  return { vertex, index: 0 };
}

function withoutPlatform(options: VertexOptions): VertexOptions {
  const { platform: _, ...rest } = options;
  return rest;
}
