/** A text by lines before and after a change, as `diff -u` shows it. */
export function lineDiff(name: string, before: string, after: string): string {
  const [old, now] = [before, after].map((text) => text.split("\n"));
  const hunks = hunksOf(changesOf(old!, now!));
  if (hunks.length === 0) return "";
  return `--- ${name}\n+++ ${name}\n${hunks.map(hunkText).join("")}`;
}

interface Line {
  readonly sign: " " | "-" | "+";
  readonly text: string;
  /** Numbers that the line has, or would have, before and after. */
  readonly old: number;
  readonly now: number;
}

const context = 2;

/** The longest common subsequence, walked: what is in both, what is gone, what is new. */
function changesOf(old: readonly string[], now: readonly string[]): Line[] {
  const width = now.length + 1;
  const common = new Uint32Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i--)
    for (let j = now.length - 1; j >= 0; j--)
      common[i * width + j] =
        old[i] === now[j]
          ? common[(i + 1) * width + j + 1]! + 1
          : Math.max(common[(i + 1) * width + j]!, common[i * width + j + 1]!);
  const lines: Line[] = [];
  for (let i = 0, j = 0; i < old.length || j < now.length; ) {
    const at = { old: i + 1, now: j + 1 };
    if (i < old.length && j < now.length && old[i] === now[j]) {
      lines.push({ sign: " ", text: old[i++]!, ...at });
      j++;
    } else if (
      i < old.length &&
      (j === now.length || common[(i + 1) * width + j]! >= common[i * width + j + 1]!)
    )
      lines.push({ sign: "-", text: old[i++]!, ...at });
    else lines.push({ sign: "+", text: now[j++]!, ...at });
  }
  return lines;
}

function hunksOf(lines: readonly Line[]): Line[][] {
  const hunks: Line[][] = [];
  let end = -1;
  lines.forEach(({ sign }, index) => {
    if (sign === " ") return;
    const from = Math.max(index - context, 0);
    const to = Math.min(index + context + 1, lines.length);
    if (from > end) hunks.push(lines.slice(from, to));
    else hunks.at(-1)!.push(...lines.slice(Math.max(end, from), to));
    end = to;
  });
  // A text's last line end is no line.
  return hunks.map((hunk) =>
    hunk.filter((line) => line.text !== "" || line.sign !== " " || line !== lines.at(-1)),
  );
}

function hunkText(hunk: readonly Line[]): string {
  const count = (gone: "-" | "+") => hunk.filter(({ sign }) => sign !== gone).length;
  const head = `@@ -${hunk[0]!.old},${count("+")} +${hunk[0]!.now},${count("-")} @@\n`;
  return head + hunk.map(({ sign, text }) => `${sign}${text.replace(/\r$/, "")}\n`).join("");
}
