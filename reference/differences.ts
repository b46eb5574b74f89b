/**
 * Where stagewright means to do otherwise than BuildKit: by case, the lines that a comparison prints, and why. A line
 * that is no longer printed has to leave.
 */
export interface Difference {
  readonly case: string;
  readonly lines: readonly string[];
  readonly reason: string;
  /** BuildKit itself does so after the recorded version. */
  readonly newer?: true;
}

const differences: readonly Difference[] = [
  {
    case: "error-add-checksum",
    lines: [
      "error: digest mismatch for http://127.0.0.1:18573/hello.txt: " +
        "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 (expected: " +
        "sha256:0000000000000000000000000000000000000000000000000000000000000000) (the file has changed, or it is not " +
        "the one that was meant), not digest mismatch " +
        "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03: " +
        "sha256:0000000000000000000000000000000000000000000000000000000000000000",
    ],
    reason: "BuildKit's message says which file it is about, and which digest is which, since 0.26.",
    newer: true,
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
    case: "error-target-by-number",
    lines: [
      'succeeds, where BuildKit says: ERROR: failed to build: failed to solve: target stage "1" could not be found',
    ],
    reason: "A target may be a number too, as the legacy builder has it.",
  },
  {
    case: "round-trip",
    lines: [
      '"links/later": linkOf "links/deep/again", not undefined',
      '"tmp": mtime undefined, not 1704067200',
    ],
    reason:
      "What a step did is kept as it was seen: a link made to a file of a layer below stays a link, and a directory in " +
      "which a file came and went has its new time. BuildKit compares with the layer below and leaves out what changed " +
      "in its number of links or in its directory's time alone; so the two names become two files.",
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
  {
    case: "user-without-passwd-file",
    lines: [
      'succeeds, where BuildKit says: ERROR: failed to build: failed to solve: process "/bin/sh -c id -u > /tmp/id && echo ' +
        '\\"$HOME\\" >> /tmp/id" did not complete successfully: unable to find user 12: invalid argument',
    ],
    reason: "Newer BuildKits run steps of a user by number without a passwd file.",
    newer: true,
  },
];

/** Names of the cases that differ. */
export function differingCases(): string[] {
  return [...new Set(differences.map((difference) => difference.case))];
}

export function intendedDifferences(name: string): readonly Difference[] {
  return differences.filter((difference) => difference.case === name);
}

/** What a newer BuildKit, and stagewright, warns of otherwise than the recorded one, by case. */
interface NewerChecks {
  readonly reason: string;
  /** Warnings that are no more, by how their lines begin and end. */
  readonly gone?: readonly { readonly rule: string; readonly end: string }[];
  readonly added?: readonly string[];
}

const copyIgnoredFile = "CopyIgnoredFile was experimental before frontend 1.21.";

export const newerChecks: Readonly<Record<string, NewerChecks>> = {
  "check-ignored": {
    reason: copyIgnoredFile,
    added: [
      'CopyIgnoredFile: Attempting to Copy file "*.txt" that is excluded by .dockerignore (line 2)',
      'CopyIgnoredFile: Attempting to Add file "*.txt" that is excluded by .dockerignore (line 3)',
    ],
  },
  "error-ignored-file": {
    reason: copyIgnoredFile,
    added: ['CopyIgnoredFile: Attempting to Copy file "one.txt" that is excluded by .dockerignore (line 2)'],
  },
  "ignore-everything": {
    reason: copyIgnoredFile,
    added: ['CopyIgnoredFile: Attempting to Copy file "." that is excluded by .dockerignore (line 2)'],
  },
  "lint-ignored": {
    reason: copyIgnoredFile,
    added: ['CopyIgnoredFile: Attempting to Copy file "two.txt" that is excluded by .dockerignore (line 2)'],
  },
  "check-secrets": {
    reason: "Names with the words FILE and VERSION are no secrets since frontend 1.22.",
    gone: [
      { rule: "SecretsUsedInArgOrEnv", end: '(ARG "TOKEN_FILE") (line 2)' },
      { rule: "SecretsUsedInArgOrEnv", end: '(ENV "KEY_VERSION") (line 4)' },
    ],
  },
  "check-skip-above": {
    reason: "Comments above an instruction skip checks since frontend 1.21.",
    gone: [
      { rule: "LegacyKeyValueFormat", end: "(line 3)" },
      { rule: "UndefinedVar", end: "(line 7)" },
    ],
  },
};
