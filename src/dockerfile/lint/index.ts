export { type CheckOptions, checkOptionsOf, parseCheckOptions, shownWarnings } from "./options.ts";
export { type RuleName, rules, type Warning, warningOf } from "./rules.ts";
export { undefinedVariableWarnings } from "./stage-checks.ts";
