import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDockerfile } from "../parser/index.ts";
import { planStages, readStages } from "../stages/index.ts";
import { adviceFor, shownAdvice } from "./index.ts";

/** What is noticed, as `Rule line`. */
function noticed(text: string, imageSize?: number): string[] {
  const source = readStages(parseDockerfile(text));
  const found = adviceFor(planStages(source, { allStages: true }), imageSize);
  return shownAdvice(found, source.dockerfile).map(({ rule, ranges }) => `${rule} ${ranges[0]?.start.line}`);
}

test("stages that are well cut are left in peace", () => {
  const files = [
    "FROM golang:1 AS build\nWORKDIR /src\nCOPY go.mod go.sum ./\nRUN go mod download\nCOPY . .\nRUN go build -o /app\n" +
      "FROM scratch\nCOPY --from=build /app /app\n",
    "FROM node:18 AS build\nWORKDIR /app\nCOPY package*.json ./\nRUN npm ci\nCOPY . .\nRUN npm run build\n" +
      "FROM build AS test\nRUN npm test\nFROM node:18-alpine\nCOPY --from=build /app/dist ./dist\n" +
      "COPY --from=build /app/node_modules ./node_modules\n",
    "FROM debian\nRUN apt-get update && apt-get install -y curl\nCOPY site /srv/\n",
    "FROM alpine\nRUN apk add --no-cache --virtual .deps build-base && make && apk del .deps\n",
    "FROM nginx AS files\nCOPY site /site\nFROM nginx\nCOPY --from=files /site /usr/share/nginx/html\n",
    "FROM alpine\nCOPY --from=nginx:latest / /nginx\n",
  ];
  for (const file of files) assert.deepEqual(noticed(file), [], file);
});

test("numbers for stages", () => {
  const file = "FROM a\nRUN x\nFROM b\nCOPY --from=0 /x /\nRUN --mount=from=0,target=/y true\n";
  assert.deepEqual(noticed(file), ["StageByNumber 4"]);
  assert.deepEqual(noticed(file.replace("COPY", "# check=skip=StageByNumber\nCOPY")), []);
  assert.deepEqual(noticed(`# check=skip=all\n${file}`), []);
});

test("everything copied from a stage that builds", () => {
  const build = "FROM a AS build\nWORKDIR /src/app\nCOPY main.go .\nRUN go build -o web .\nFROM b\n";
  for (const path of ["/", "/src", "/src/app", "/src/app/", "src/app/../app"])
    assert.deepEqual(noticed(`${build}COPY --from=build ${path} /app/\n`), ["WholeStageCopied 6"], path);
  assert.deepEqual(noticed(`${build}COPY --from=build /src/app/web /app/\n`), []);
  assert.deepEqual(noticed(`${build.replace(/RUN.*\n/, "")}COPY --from=build /src /app/\n`), []);
});

test("tools and sources in the image that is shipped", () => {
  assert.deepEqual(noticed("FROM debian\nRUN apt-get install -y --no-install-recommends g++=4 make\n"), [
    "BuildToolsInImage 2",
  ]);
  assert.deepEqual(noticed("FROM golang:1.21\nCMD go run .\n"), ["BuildToolsInImage 1"]);
  assert.deepEqual(noticed("FROM example/golang:1 AS sdk\nFROM sdk\nCMD x\n"), ["BuildToolsInImage 1"]);
  assert.deepEqual(noticed("FROM node\nCOPY package.json .\nRUN npm ci\nCOPY . .\nRUN npm run build\n"), [
    "SourcesInImage 4",
  ]);
  assert.deepEqual(noticed("FROM node\nCOPY . .\nRUN npm install && npm run build\n", 300e6), [
    ...["SourcesInImage 2", "CopyBeforeInstall 2", "LargeSingleStage 3"],
  ]);
  assert.deepEqual(noticed("FROM node\nCOPY a.js .\nRUN npm run build\n", 100e6), []);
});

test("dependencies that are installed again for any change", () => {
  const installs = [
    "npm ci",
    "yarn install --frozen-lockfile",
    "pnpm i",
    "pip install --no-cache-dir -r req.txt",
    "apk add git",
    "set -e; go mod download",
  ];
  for (const install of installs)
    assert.deepEqual(noticed(`FROM a\nCOPY ./ /x/\nRUN ${install}\n`), ["CopyBeforeInstall 2"], install);
  for (const other of ["npm install -g tool", "npm test", "echo npm-ci", "./apt-get-install"])
    assert.deepEqual(noticed(`FROM a\nCOPY . .\nRUN ${other}\n`), [], other);
});

test("stages that nobody uses, unless their names say what for", () => {
  assert.deepEqual(noticed("FROM a AS old\nRUN x\nFROM a\nRUN y\nFROM b\n"), [
    "UnusedStage 1",
    "UnusedStage 3",
  ]);
  assert.deepEqual(noticed("FROM a AS unit-tests\nFROM a AS dev\nFROM a AS lint\nFROM b\n"), []);
  assert.deepEqual(noticed("FROM a AS one\nFROM one AS two\nFROM b\nRUN --mount=from=two,target=/x y\n"), []);
});
