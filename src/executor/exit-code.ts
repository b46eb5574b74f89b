const notFound = 127;
const notExecutable = 126;

const missing = /no such file or directory|not found in \$PATH/i;
const refused = /permission denied|operation not permitted|exec format error|is a directory/i;
/** What crun prints through the container's stderr when execve itself fails. */
const failedExec = /exec container process .*: (?<reason>[^"\n]*)(?:"|\n|$)/;

/**
 * Both runtimes exit with 1 when they cannot start the program; Docker's codes tell a program that is missing (127) from
 * one that cannot be executed (126). `runtimeLog` is what the runtime itself had to say, empty when it ran the
 * program; `stderr` the end of the step's output.
 */
export function exitCodeOf(code: number, runtimeLog: string, stderr: string): number {
  if (code === 0) return 0;
  const reason = runtimeLog.trim() || failedExec.exec(stderr)?.groups?.reason;
  if (code !== 1 || reason === undefined) return code;
  if (missing.test(reason)) return notFound;
  return refused.test(reason) ? notExecutable : code;
}
