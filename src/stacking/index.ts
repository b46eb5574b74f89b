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
export { climb, type Marks, overlayFlags, type Rung, type Stacking } from "./ladder.ts";
export type { Namespace } from "./namespace.ts";
export { isPrivileged, openNeededNamespace, ownIdMap, stackingOf } from "./open.ts";
export { giveAway } from "./ownership.ts";
export { capabilities, findTool, hasCapability, toolPath } from "./tools.ts";
export { moveTree, removeTree, removeTreeLater, runTreeTask } from "./trees.ts";
