import assert from "node:assert/strict";
import { test } from "node:test";
import { BuildError } from "../../core/index.ts";
import { parseDockerfile } from "../parser/index.ts";
import { expandWord } from "../shell/index.ts";
import { expandInstruction, type Instruction, parseDevice, readInstruction, resolveMount } from "./index.ts";

function read(text: string): Instruction {
  const { instructions, source } = parseDockerfile(text);
  return readInstruction(instructions[0]!, source);
}

/** The instruction's own fields. */
function fields(text: string): unknown {
  const { node, name, code, range, ...rest } = read(text) as Instruction & Record<string, unknown>;
  return JSON.parse(JSON.stringify(rest, (key, value) => (key.endsWith("ange") ? undefined : value)));
}

test("instructions are read into their fields", () => {
  const cases: readonly [string, unknown][] = [
    ["from a:b As Build", { kind: "from", base: "a:b", stageName: "build" }],
    ["FROM --platform=$X a", { kind: "from", base: "a", platform: "$X" }],
    [
      "ARG a b=c=d e=",
      { kind: "arg", args: [{ key: "a" }, { key: "b", value: "c=d" }, { key: "e", value: "" }] },
    ],
    ["ENV a  b c", { kind: "env", pairs: [{ key: "a", value: "b c", legacy: true }] }],
    ["LABEL a='b c'", { kind: "label", pairs: [{ key: "a", value: "'b c'", legacy: false }] }],
    ["EXPOSE 9 10/udp", { kind: "expose", ports: ["10/udp", "9"] }],
    ["CMD", { kind: "cmd", command: { args: [], shell: true } }],
    ["ENTRYPOINT []", { kind: "entrypoint", command: { args: [], shell: false } }],
    ['SHELL ["a", "b"]', { kind: "shell", shell: ["a", "b"] }],
    ["VOLUME /a /b", { kind: "volume", volumes: ["/a", "/b"] }],
    ["USER a:b", { kind: "user", user: "a:b" }],
    ["WORKDIR /a b", { kind: "workdir", path: "/a b" }],
    ["STOPSIGNAL 9", { kind: "stopsignal", signal: "9" }],
    [
      "HEALTHCHECK --interval=1m30s --timeout=1.5s --retries=2 CMD a b",
      {
        kind: "healthcheck",
        healthcheck: {
          test: ["CMD-SHELL", "a b"],
          interval: 90e9,
          timeout: 1.5e9,
          startPeriod: 0,
          startInterval: 0,
          retries: 2,
        },
      },
    ],
    [
      "COPY --from=b --chmod=755 --link=false --parents a <<-E /d\n\tx\nE",
      {
        kind: "copy",
        sources: ["a"],
        contents: [{ path: "E", data: "x\n", expand: true }],
        destination: "/d",
        chown: "",
        chmod: "755",
        link: false,
        exclude: [],
        from: "b",
        parents: true,
      },
    ],
    [
      "ADD --keep-git-dir --checksum=c --unpack=false a b",
      {
        kind: "add",
        sources: ["a"],
        contents: [],
        destination: "b",
        chown: "",
        chmod: "",
        link: false,
        exclude: [],
        checksum: "c",
        keepGitDir: true,
        unpack: false,
      },
    ],
    [
      "RUN --mount=from=x,target=/y --network=host --security=insecure --device=d,required a",
      {
        kind: "run",
        command: { args: ["a"], shell: true },
        files: [],
        mounts: [{ text: "from=x,target=/y", from: "x" }],
        network: "host",
        security: "insecure",
        devices: [{ name: "d", required: true }],
      },
    ],
  ];
  for (const [text, expected] of cases) assert.deepEqual(fields(text), expected, text);
});

test("a trigger keeps its text, here-documents included", () => {
  const onbuild = read("ONBUILD COPY \\\n <<E /e\nhello\nE");
  assert.equal(onbuild.kind === "onbuild" && onbuild.expression, "COPY  <<E /e\nhello\nE");
});

test("flags keep letters beyond ASCII", () => {
  const copy = read("COPY --exclude=é* --chown=ü a b");
  assert.deepEqual(copy.kind === "copy" && [...copy.exclude, copy.chown], ["é*", "ü"]);
});

test("mistakes are refused where they are, with what to do", () => {
  const cases: readonly [string, RegExp, RegExp | undefined, number][] = [
    ["FORM a", /line 1: unknown instruction: FORM$/, /did you mean FROM\?/, 0],
    ["entrypont x", /unknown instruction: entrypont/, /did you mean entrypoint\?/, 0],
    ["COPY --form=x a b", /unknown flag: --form/, /did you mean --from\?/, 5],
    ["WORKDIR --x /a", /unknown flag: --x/, /takes no flags/, 8],
    ["COPY --link=x a b", /expecting boolean value for flag --link, not: x/, undefined, 5],
    ["COPY --from a b", /missing a value on flag: --from/, undefined, 5],
    ["COPY --from=a --from=b a b", /duplicate flag specified: --from/, undefined, 14],
    ["COPY a", /COPY requires at least two arguments/, undefined, 0],
    ["COPY a <<E\nE", /COPY cannot accept a heredoc as a destination/, undefined, 7],
    ["FROM a b", /FROM requires either one or three arguments/, undefined, 0],
    ["FROM a AS 1b", /invalid name for build stage: "1b"/, undefined, 10],
    ["ARG", /ARG requires at least one argument/, undefined, 0],
    ["ENV =x", /ENV names can not be blank/, undefined, 4],
    ["WORKDIR", /WORKDIR requires exactly one argument/, undefined, 0],
    ["SHELL bash", /SHELL requires the arguments to be in JSON form/, /\["\/bin\/bash"/, 0],
    ['VOLUME [" "]', /can not be an empty string/, undefined, 8],
    ["ONBUILD FROM x", /FROM isn't allowed as an ONBUILD trigger/, undefined, 0],
    ["HEALTHCHECK x", /Unknown type "X" in HEALTHCHECK \(try CMD\)/, undefined, 12],
    ["HEALTHCHECK --interval=5 CMD x", /missing unit in duration "5"/, undefined, 12],
    ["HEALTHCHECK --interval=5us CMD x", /cannot be less than 1ms/, undefined, 12],
    ["RUN --network=x y", /invalid network mode "x"/, undefined, 4],
    ["RUN --mount=from=$x y", /'from' doesn't support variable expansion/, undefined, 4],
  ];
  for (const [text, message, hint, column] of cases) {
    assert.throws(
      () => read(text),
      (error) => {
        assert.ok(error instanceof BuildError);
        assert.match(error.message, message);
        if (hint) assert.match(error.hint ?? "", hint);
        assert.equal(error.details.source?.ranges[0]?.start.column, column, text);
        return true;
      },
    );
  }
});

test("mounts are resolved with their defaults", () => {
  const expand = (word: string) => expandWord(word, new Map([["ID", "x"]])).text;
  const mount = (text: string) => resolveMount({ text }, expand);
  assert.equal(mount("target=/a").readOnly, true);
  assert.equal(mount("target=/a,rw").readOnly, false);
  assert.equal(mount("target=/a,readwrite=false").readOnly, true);
  assert.equal(mount("target=/a,ro=false").readOnly, false);
  const cache = mount('type=cache,id=$ID,"target=/a,b",sharing=locked,mode=0700,uid=3');
  assert.deepEqual(cache, {
    type: "cache",
    from: "",
    source: "",
    target: "/a,b",
    readOnly: false,
    size: 0,
    id: "x",
    required: false,
    sharing: "locked",
    mode: 0o700,
    uid: 3,
  });
  assert.equal(mount("type=tmpfs,target=/t,size=1.5m").size, 1.5 * 1024 * 1024);
  assert.deepEqual(
    [mount("type=secret,id=s,required,env=").required, mount("type=secret,id=s,env=").env],
    [true, ""],
  );
  const bad: readonly [string, RegExp][] = [
    ["type=cahce", /unsupported mount type "cahce"/],
    ["tagret=/a", /unexpected key 'tagret'/],
    ["target", /must be a key=value pair/],
    ["type=secret", /one of source, target required/],
    ["type=bind,mode=1", /mode not allowed for "bind"/],
    ["sharing=locked", /invalid cache sharing set for bind mount/],
    ["required", /unexpected key 'required'/],
    ['target="x', /bare "/],
  ];
  for (const [text, message] of bad) assert.throws(() => mount(text), message, text);
  assert.throws(() => parseDevice("a,b"), /must be a key=value pair/);
});

test("expansion reaches the fields that take variables", () => {
  const variables = new Map([["V", "v"]]);
  const expand = (text: string) => expandWord(text, variables).text;
  const body = (text: string) => expandWord(text, variables, { skipQuotes: true }).text;
  const copy = expandInstruction(read("COPY --chown=$V $V <<A <<'B' /$V\n'$V'\nA\n$V\nB"), expand, body);
  assert.ok(copy.kind === "copy");
  assert.deepEqual([copy.chown, copy.sources, copy.destination], ["v", ["v"], "/v"]);
  assert.deepEqual(
    copy.contents.map((content) => content.data),
    ["'v'\n", "$V\n"],
  );
  const env = expandInstruction(read("ENV $V='$V' w=\"$V x\""), expand, body);
  assert.deepEqual(env.kind === "env" && env.pairs.map(({ key, value }) => [key, value]), [
    ["v", "$V"],
    ["w", "v x"],
  ]);
});
