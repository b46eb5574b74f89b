export {
  cloneTree,
  readStamps,
  restamp,
  type Stamps,
  stampOf,
  stampsFile,
  takeStamps,
  walk,
  writeStamps,
} from "./clone.ts";
export type { Gift } from "./gift.ts";
export { type IdMap, isMapped } from "./id-map.ts";
export { type Marks, overlayFlags, type Rung, type Stacking } from "./ladder.ts";
export type { Namespace } from "./namespace.ts";
export { isPrivileged, openNeededNamespace, stackingOf } from "./open.ts";
export { giveAway } from "./ownership.ts";
export { capabilities, effectiveCapabilities, findTool, hasCapability, toolPath } from "./tools.ts";
export { moveTree, removeTree, removeTreeLater } from "./trees.ts";
