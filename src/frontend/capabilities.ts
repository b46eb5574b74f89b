/** What the embedded solver can do beyond the basics, by BuildKit's names. Anything else is refused with its line. */
export const defaultCapabilities: ReadonlySet<string> = new Set([
  "exec.mount.bind",
  "file.copy.includeexcludepatterns",
  "mergeop",
  "exec.mount.cache",
  "exec.mount.tmpfs",
  "exec.mount.secret",
  "exec.mount.ssh",
  "exec.secretenv",
  "exec.meta.security",
]);

/** Everything that the frontend can convert: for solvers that are complete, such as a remote BuildKit. */
export const allCapabilities: ReadonlySet<string> = new Set([...defaultCapabilities, "exec.meta.cdi"]);
