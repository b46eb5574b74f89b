const notFound = 127;
const notExecutable = 126;

/** How a step ended: with an exit code as Docker counts them, or not at all because the runtime could not make it. */
export type StepEnd = { readonly code: number } | { readonly runtimeError: string };

const missing = /no such file or directory|not found in \$PATH/i;
/** What the runtimes say when they looked at the program and cannot execute it. */
const aboutProgram = /open executable|executable file|exec container process|\bexec: /;
/** What crun prints through the container's stderr when execve itself fails. */
const failedExec = /exec container process .*: (?<reason>[^"\n]*)(?:"|\n|$)/;
/** runc logs other things as well; this is why it gave up. */
const runcFailure = /level=error msg="(?<reason>runc run failed.*)"/;

/**
 * Both runtimes exit with 1 when they cannot start the program; Docker's codes tell a program that is missing (127) from
 * one that cannot be executed (126). `runtimeLog` is what the runtime itself had to say; `stderr` the end of the
 * step's output.
 */
export function endOfStep(
  code: number,
  runtime: "crun" | "runc",
  runtimeLog: string,
  stderr: string,
): StepEnd {
  if (code !== 1) return { code };
  const failure = runtime === "runc" ? runcFailure.exec(runtimeLog)?.groups?.reason : runtimeLog.trim();
  if (failure) return aboutProgram.test(failure) ? { code: codeOf(failure) } : { runtimeError: failure };
  const reason = runtime === "crun" ? failedExec.exec(stderr)?.groups?.reason : undefined;
  return { code: reason === undefined ? code : codeOf(reason) };
}

function codeOf(reason: string): number {
  return missing.test(reason) ? notFound : notExecutable;
}
