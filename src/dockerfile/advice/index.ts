export { adviceFor, largeImage, shownAdvice } from "./advice.ts";
export { buildsSomething, commandText, installsDependencies } from "./commands.ts";
export { type Advice, type AdviceName, adviceRules, type Cost } from "./rules.ts";
