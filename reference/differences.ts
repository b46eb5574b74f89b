/**
 * Where stagewright means to do otherwise than BuildKit: by case, the lines that a comparison prints, and why. A line
 * that is no longer printed has to leave.
 */
export interface Difference {
  readonly case: string;
  readonly lines: readonly string[];
  readonly reason: string;
}

const keptTimes =
  "A directory that is there before a COPY keeps its time: the layer says nothing about it, and can so be put on " +
  "another base without being made again. BuildKit gives it the time of the directory that is copied over it.";

const differences: readonly Difference[] = [
  {
    case: "copy-directory",
    lines: ['"srv/data": mtime 1704067200, not 1706933106'],
    reason: keptTimes,
  },
  {
    case: "copy-file-to-directory",
    lines: ['"srv": mtime 1704067200, not 1706933106'],
    reason: keptTimes,
  },
  {
    case: "copy-over",
    lines: ['"srv": mtime 1704067200, not 1706933106', '"srv/data": mtime 1704067200, not 1706933106'],
    reason: keptTimes,
  },
  {
    case: "copy-onto-links",
    lines: ['"srv": mtime undefined, not 1706933106'],
    reason: keptTimes,
  },
  {
    case: "error-run-missing",
    lines: [
      'error: process "/no/such/command x" did not complete successfully: exit code: 127 (), not process ' +
        '"/no/such/command x" did not complete successfully: exit code: 1',
      'output of [2/2] RUN ["/no/such/command", "x"]: "executable file `/no/such/command` not found in $PATH: No ' +
        'such file or directory\\n", not "runc run failed: unable to start container process: error during container ' +
        'init: exec: \\"/no/such/command\\": stat /no/such/command: no such file or directory\\n"',
    ],
    reason:
      "A program that is not there is exit status 127, as for shells and for `docker run`; and the words are those of " +
      "crun, BuildKit's those of runc.",
  },
  {
    case: "error-user-unknown",
    lines: [
      'error: unable to find user "nobody-here": no such user (USER nobody-here is looked up in /etc/passwd of the ' +
        'stage; create the user first, or use a numeric id up to 2147483647), not process "/bin/sh -c id" did not ' +
        "complete successfully: unable to find user nobody-here: no matching entries in passwd file",
    ],
    reason: "No process was there that could have failed.",
  },
  {
    case: "error-target-by-number",
    lines: [
      'succeeds, where BuildKit says: ERROR: failed to build: failed to solve: target stage "1" could not be found',
    ],
    reason: "A target may be a number too, as the legacy builder has it.",
  },
  {
    case: "round-trip",
    lines: ['"links/later": linkOf "links/deep/again", not undefined'],
    reason:
      "A link made to a file of a layer below stays a link, as the step saw it. BuildKit leaves the old name out of the " +
      "layer, because nothing but its number of links changed, and so the names become two files.",
  },
  {
    case: "round-trip",
    lines: ['"tmp": mtime undefined, not 1704067200'],
    reason:
      "A directory in which a step made a file and removed it again has a new time, as the step saw it. BuildKit leaves " +
      "directories out of the layer when their time alone changed.",
  },
  {
    case: "root-directory",
    lines: [
      `output of [one 3/3] RUN stat -c '%a %u' /: "755 0\\n", not "755 1000\\n"`,
      `output of [stage-1 1/3] RUN stat -c '%a %u' /; rm -rf /tmp && mkdir /tmp && stat -c %a /tmp: ` +
        `"755 0\\n755\\n", not "755 1000\\n755\\n"`,
      `output of [stage-1 3/3] RUN stat -c '%a %u' /: "755 0\\n", not "755 1000\\n"`,
    ],
    reason:
      "What a step does to the root directory itself is in no layer, here as there. Steps that follow see the root of the " +
      "image; with BuildKit they see the changed owner, but not the changed mode, as long as nothing is pulled again.",
  },
];

/** Names of the cases that differ. */
export function differingCases(): string[] {
  return [...new Set(differences.map((difference) => difference.case))];
}

export function intendedDifferences(name: string): readonly Difference[] {
  return differences.filter((difference) => difference.case === name);
}
