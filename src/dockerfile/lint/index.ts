export { majorityCasing } from "./file-checks.ts";
export { type CheckOptions, checkOptionsOf, parseCheckOptions, shownWarnings } from "./options.ts";
export { isExperimental, type RuleName, rules, type Warning, warningOf } from "./rules.ts";
export { undefinedVariables } from "./variable-checks.ts";
