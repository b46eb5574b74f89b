import { BuildError, type SourceRange } from "../../core/index.ts";
import type { SourceText } from "../parser/ast.ts";
import { errorAt } from "../parser/source.ts";

/** Runs `read`; a BuildError of it that points nowhere yet then points at `range`. */
export function locate<T>(source: SourceText, range: SourceRange, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BuildError) || error.details.source) throw error;
    throw errorAt(source, range, error.code, error.message, { hint: error.hint, cause: error });
  }
}
