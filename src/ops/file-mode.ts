import { BuildError } from "../core/index.ts";

/** Gives the permission bits (0 to 0o7777) of what is copied, from those of its source. */
export type ModeChange = (mode: number, directory: boolean) => number;

const permissions: Readonly<Record<string, number>> = { r: 0o444, w: 0o222, x: 0o111, s: 0o6000 };
/** setuid, setgid and all permissions; the sticky bit is nobody's. */
const everyone = 0o6777;
const classes: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o0007, a: everyone };

/**
 * Parses a symbolic mode as chmod(1) has it, with a umask of 0: `u=rwX,go=rX`, `a+x`, `g=u`, `+t`; octal digits
 * too. `s` and `t` say nothing about others alone, `=` leaves the sticky bit unless `t` is given, as in BuildKit.
 * Throws `invalid-argument`.
 */
export function parseSymbolicMode(text: string): ModeChange {
  if (/^[0-7]{1,4}$/.test(text)) return () => Number.parseInt(text, 8);
  const changes = text.split(",").flatMap((clause) => {
    const match = /^([ugoa]*)((?:[-+=][ugorwxXst]*)+)$/.exec(clause);
    if (!match)
      throw new BuildError("invalid-argument", `invalid mode ${JSON.stringify(text)}`, {
        hint: "use octal digits (755) or a symbolic mode (u=rwX,go=rX)",
      });
    const operations = match[2]!.matchAll(/([-+=])([ugorwxXst]*)/g);
    return [...operations].map(([, operator, letters]) => changeOf(match[1]!, operator!, letters!));
  });
  return (original, directory) =>
    changes.reduce((mode, change) => change(mode, original, directory), original);
}

type Change = (mode: number, original: number, directory: boolean) => number;

function changeOf(who: string, operator: string, letters: string): Change {
  const others = who !== "" && /^o+$/.test(who);
  const sticky = letters.includes("t") && !others ? 0o1000 : 0;
  // Without classes, a `t` leaves nothing for the other letters: so in BSD's chmod, and so in BuildKit.
  const named =
    who === "" && sticky === 0 ? everyone : [...who].reduce((bits, name) => bits | classes[name]!, 0);
  const mask = named | sticky;
  const onlyCopies = /^[ugo]+$/.test(letters);
  const cleared = onlyCopies ? mask & 0o777 : mask;
  return (mode, original, directory) => {
    const executable = operator === "-" || directory || (original & 0o111) !== 0;
    const bits = mask & bitsOf(letters, mode, executable);
    if (operator === "+") return mode | bits;
    if (operator === "-") return mode & ~bits;
    return (mode & ~cleared) | bits;
  };
}

function bitsOf(letters: string, mode: number, executable: boolean): number {
  let bits = 0;
  for (const letter of letters) {
    if (letter === "u") bits |= 0o111 * ((mode >> 6) & 7);
    else if (letter === "g") bits |= 0o111 * ((mode >> 3) & 7);
    else if (letter === "o") bits |= 0o111 * (mode & 7);
    else if (letter === "X") bits |= executable ? 0o111 : 0;
    else if (letter === "t") bits |= 0o1000;
    else bits |= permissions[letter]!;
  }
  return bits;
}
