// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { BuildError } from "../../core/index.ts";
import { planStages, readStages } from "../stages/index.ts";
import { parseDockerfile, printDockerfile, textAt } from "./index.ts";

const folder = new URL("../golden/", import.meta.url);
const seeds = readdirSync(folder)
  .filter((name) => name.endsWith(".Dockerfile"))
  .map((name) => readFileSync(new URL(name, folder)));
const pieces = [
  "\n",
  "\\\n",
  "<<E",
  "\nE\n",
  "FROM a\n",
  "ONBUILD ",
  "--from=0 ",
  "$",
  "${a:-",
  "}",
  '"',
  "'",
  "[",
  "]",
  "\r",
];

let state = 42;
function random(n: number): number {
  state = (state * 48271) % 2147483647;
  return state % n;
}

function mutated(): Buffer {
  let bytes = seeds[random(seeds.length)]!;
  for (let i = random(6); i >= 0; i--) {
    const at = random(bytes.length + 1);
    const end = random(2) ? at : Math.min(bytes.length, at + random(30));
    const piece = random(4) ? Buffer.from(pieces[random(pieces.length)]!) : Buffer.from([random(256)]);
    bytes = Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(end)]);
  }
  return bytes;
}

test("any bytes are parsed or refused; what is parsed prints as it was, and its ranges are true", () => {
  let parsed = 0;
  for (let i = 0; i < 3000; i++) {
    const bytes = mutated();
    try {
      const dockerfile = parseDockerfile(bytes);
      parsed++;
      assert.equal(printDockerfile(dockerfile), bytes.toString("utf8"));
      for (const node of dockerfile.instructions) {
        if (node.name.text !== "" && node.name.range.start.line === node.name.range.end.line)
          assert.equal(textAt(dockerfile, node.name.range), node.name.text);
        for (const word of node.form === "words" ? node.words : [])
          if (
            word.range.start.line === word.range.end.line &&
            !word.text.includes("\\") &&
            !word.text.includes("`")
          )
            assert.ok(textAt(dockerfile, word.range).startsWith(word.text), JSON.stringify(word));
      }
      planStages(readStages(dockerfile));
    } catch (error) {
      if (!(error instanceof BuildError))
        throw new Error(`crashed on ${JSON.stringify(bytes.toString())}`, { cause: error });
    }
  }
  assert.ok(parsed > 1000, `${parsed} parsed`);
});
