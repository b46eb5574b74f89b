/** What gives a user more ids, for hints. */
export const moreIds =
  "let the administrator add subordinate ids (usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER) and install newuidmap, or build as root";

/** What programs print when the kernel refuses them ids that their user namespace does not have. */
const refusals =
  /\b(set(e|re|res|fs)?[ug]id|setgroups|initgroups|l?chown|fchown(at)?)\b.*(invalid argument|not permitted)|(ownership|owner|group) .*invalid argument|chown: .*invalid argument/i;

/** Why a step failed that has a single id, if its output says that it wanted another one; undefined otherwise. */
export function singleIdHint(output: readonly string[]): string | undefined {
  if (!output.some((line) => refusals.test(line))) return undefined;
  return `the step has a single id here: it is root, cannot become anybody else, and cannot give files away; ${moreIds} (apt-get also takes -o APT::Sandbox::User=root)`;
}
