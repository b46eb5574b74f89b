export { instructionNames } from "./arguments.ts";
export type * from "./ast.ts";
export { chompTabs, type HeredocOperator, parseHeredocOperator } from "./heredoc.ts";
export { parseDockerfile } from "./parse.ts";
export { printDockerfile, type TextEdit, textAt } from "./print.ts";
export { errorAt, maxFileSize, maxLineSize } from "./source.ts";
