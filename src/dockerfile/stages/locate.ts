import { BuildError, type SourceRange } from "../../core/index.ts";
import type { SourceText } from "../parser/ast.ts";
import { errorAt } from "../parser/source.ts";

/** Runs `read`; a BuildError of it that points nowhere yet then points at `range`, and says first what `failed`. */
export function locate<T>(source: SourceText, range: SourceRange, read: () => T, failed?: string): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BuildError) || error.details.source) throw error;
    const message = failed === undefined ? error.message : `${failed}: ${error.message}`;
    throw errorAt(source, range, error.code, message, { hint: error.hint, cause: error });
  }
}
