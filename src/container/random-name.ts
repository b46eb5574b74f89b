import { randomInt } from "node:crypto";

const adjectives =
  "amber ancient autumn bold brave breezy bright brisk calm candid careful cheerful clever cosy crisp curious daring eager early earnest easy fabled fair famous fearless festive floral fluent fond frosty gallant gentle gifted golden graceful grand happy hearty honest hopeful humble jolly jovial keen kind lively loyal lucid lucky mellow merry mild modest neat nimble noble patient peaceful placid playful polite proud quick quiet radiant ready robust rosy serene sharp shiny silent silver sincere smooth snowy sober spry stable steady still sturdy sunny sure swift tender tidy tranquil trusty upbeat valiant vivid warm wise witty zesty".split(
    " ",
  );
const nouns =
  "acorn alder anchor apple arrow aspen badger bamboo beacon beaver birch bison boulder breeze bridge brook canyon cedar cherry cliff clover comet coral cove crane creek cypress daisy dawn delta dune eagle elm ember falcon fern finch fjord forest fox garden glacier glade grove harbor hawk hazel heron hill holly island ivy jasmine juniper kestrel lagoon lake lantern larch lark laurel linden lotus lynx maple marsh meadow mesa moss oak ocean olive orchard osprey otter owl pebble pine plum pond poplar prairie quail quartz rain raven reef ridge river robin rowan sage sail sequoia shore sparrow spruce star stone stream summit swan thistle thrush tide trail valley violet walnut willow wren yarrow".split(
    " ",
  );
const attempts = 50;

/** `adjective_noun`, with a number behind it when luck does not find one that is free. */
export function randomName(isTaken: (name: string) => boolean): string {
  for (let attempt = 0; ; attempt++) {
    const number = attempt < attempts ? "" : randomInt(10 ** (1 + attempt / attempts));
    const name = `${pick(adjectives)}_${pick(nouns)}${number}`;
    if (!isTaken(name)) return name;
  }
}

function pick(words: readonly string[]): string {
  return words[randomInt(words.length)]!;
}
