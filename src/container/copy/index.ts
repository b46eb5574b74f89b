export { type CopyEnds, type CopyResult, copyFromContainer, copyToContainer } from "./copy.ts";
