import assert from "node:assert/strict";
import { test } from "node:test";
import { BuildError } from "../core/index.ts";
import { parseDockerfile, planStages, readStages } from "../dockerfile/index.ts";
import { toMultiStage } from "./index.ts";

type Files = Readonly<Record<string, string>>;

function convert(dockerfile: string, files: Files): { text: string; notes: readonly string[] } {
  const has = (path: string) =>
    Object.keys(files).some((name) => name === path || name.startsWith(`${path}/`));
  const result = toMultiStage(readStages(parseDockerfile(dockerfile)), { read: (path) => files[path], has });
  planStages(readStages(parseDockerfile(result.text)));
  return result;
}

function refused(dockerfile: string, files: Files = {}): string {
  try {
    return convert(dockerfile, files).text;
  } catch (error) {
    assert.ok(error instanceof BuildError, String(error));
    assert.equal(error.code, "failed-precondition");
    return error.message.replace("this Dockerfile is not converted: ", "");
  }
}

const nodeFile = `FROM node:18
WORKDIR /app
COPY . .
RUN npm install
RUN npm run build
CMD ["node", "dist/server.js"]
`;

test("Node: dependencies first, what is built and what it needs is shipped", () => {
  const lock = JSON.stringify({
    packages: { "": {}, "node_modules/a": {}, "node_modules/b": { dev: true, os: ["linux"] } },
  });
  const files = {
    "package.json": '{"dependencies":{"a":"1"}}',
    "package-lock.json": lock,
    "public/x.css": "",
  };
  assert.equal(
    convert(nodeFile, files).text,
    `FROM node:18 AS build
WORKDIR /app
# Dependencies come first: they are installed again only when these files change.
COPY package.json package-lock.json ./
RUN npm install
COPY . .
RUN npm run build
# What only building needs is not shipped.
RUN npm prune --omit=dev

# What is shipped: node:18-alpine with what stage build made.
FROM node:18-alpine
WORKDIR /app
COPY --from=build /app/package.json ./package.json
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/public ./public
CMD ["node", "dist/server.js"]
`,
  );
});

test("Node: compiled dependencies need the same C library", () => {
  const lock = (part: object) => JSON.stringify({ packages: { "": {}, "node_modules/a": part } });
  const runtime = (files: Files, base = "node:18") =>
    /\nFROM (\S+)\n/.exec(
      convert(nodeFile.replace("node:18", base), { "package.json": '{"dependencies":{"a":"1"}}', ...files })
        .text,
    )?.[1];
  assert.equal(runtime({}), "node:18-slim");
  assert.equal(runtime({ "package-lock.json": lock({ hasInstallScript: true }) }), "node:18-slim");
  assert.equal(runtime({ "package-lock.json": lock({}) }, "node:20-bookworm"), "node:20-alpine");
  assert.equal(runtime({}, "example.org/team/node"), "example.org/team/node:slim");
  assert.equal(runtime({}, "node:22-alpine"), "node:22-alpine");
});

test("Node: comments stay, directives and ARGs stay on top, users are made where they are needed", () => {
  const text = `# syntax=docker/dockerfile:1
ARG V=18
# our application
FROM node:\${V}-alpine as made

# where it lies
WORKDIR /srv
COPY . . # not a comment

# not as root
RUN adduser -D app
RUN npm ci --omit=optional \\
  # and the rest
  && npm run build
USER app
# web
EXPOSE 80
CMD npm start
# the end
`.replace(" # not a comment", "");
  const manifest = { scripts: { start: "node --enable-source-maps out/main.js" } };
  assert.equal(
    convert(text, { "package.json": JSON.stringify(manifest) }).text,
    `# syntax=docker/dockerfile:1
ARG V=18
# our application
FROM node:\${V}-alpine as made

# where it lies
WORKDIR /srv
COPY . .
RUN npm ci --omit=optional \\
  # and the rest
  && npm run build

# What is shipped: node:\${V}-alpine with what stage made made.
FROM node:\${V}-alpine
WORKDIR /srv

# not as root
RUN adduser -D app
COPY --from=made /srv/package.json ./package.json
COPY --from=made /srv/out ./out
USER app
# web
EXPOSE 80
CMD npm start
# the end
`,
  );
});

test("Go: a static program on nothing, modules first", () => {
  const text = `FROM golang:1.21
WORKDIR /src
COPY . .
RUN go build -o server ./cmd/server
EXPOSE 8080
CMD ["./server"]
`;
  assert.equal(
    convert(text, { "go.mod": "module x\n\nrequire a v1\n", "go.sum": "" }).text,
    `FROM golang:1.21 AS build
WORKDIR /src
# Dependencies come first: they are installed again only when these files change.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -o server ./cmd/server

# What is shipped: nothing but what stage build made.
FROM scratch
WORKDIR /src
COPY --from=build /src/server ./server
COPY --from=build /etc/ssl/certs/ca-certificates.cr[t] /etc/ssl/certs/
EXPOSE 8080
CMD ["./server"]
`,
  );
  assert.match(convert(text.replace('["./server"]', "./server"), {}).text, /\nFROM debian:stable-slim\n/);
  assert.match(
    convert(text.replace("1.21", "alpine").replace("EXPOSE 8080", "USER app"), {}).text,
    /\nFROM alpine\n/,
  );
});

test("the program may start elsewhere than it is built", () => {
  const text = `FROM golang:alpine
WORKDIR /go/src/app
COPY main.go .
RUN CGO_ENABLED=0 go build -o /out/web main.go
WORKDIR /out
CMD ["./web"]
`;
  assert.equal(
    convert(text, {}).text,
    `FROM golang:alpine AS build
WORKDIR /go/src/app
COPY main.go .
RUN CGO_ENABLED=0 go build -o /out/web main.go

# What is shipped: nothing but what stage build made.
FROM scratch
WORKDIR /go/src/app
WORKDIR /out
COPY --from=build /out/web ./web
COPY --from=build /etc/ssl/certs/ca-certificates.cr[t] /etc/ssl/certs/
CMD ["./web"]
`,
  );
});

test("Java, Rust and C++ keep what runs", () => {
  const java = convert(
    'FROM maven:3-eclipse-temurin-21\nWORKDIR /a\nCOPY . .\nRUN mvn -q package\nENTRYPOINT ["java", "-jar", "target/a.jar"]\n',
    {},
  ).text;
  assert.match(
    java,
    /\nFROM eclipse-temurin:21-jre\nWORKDIR \/a\nCOPY --from=build \/a\/target\/a.jar .\/target\/a.jar\n/,
  );
  const rust = convert(
    'FROM rust:1-bookworm\nWORKDIR /a\nCOPY . .\nRUN cargo build --release\nCMD ["target/release/a"]\n',
    {},
  ).text;
  assert.match(rust, /\nFROM debian:bookworm-slim\n(.*\n)*COPY --from=build \/a\/target\/release\/a /);
  const native = convert(
    'FROM debian:12\nRUN apt-get update && apt-get install -y g++ libpq-dev\nCOPY . /a/\nRUN g++ -o /bin/a /a/a.cpp\nCMD ["/bin/a"]\n',
    {},
  );
  assert.match(native.text, /\nFROM debian:12\nCOPY --from=build \/bin\/a \/bin\/a\nCMD/);
  assert.ok(native.notes.some((note) => note.startsWith("What line 2 installs")));
});

test("what is not understood is refused with the reason", () => {
  const manifest = { "package.json": "{}" };
  assert.match(refused("FROM a\nFROM b\n"), /^it has 2 stages already/);
  assert.match(refused('FROM node\nCOPY . .\nRUN npm ci\nCMD ["node", "a.js"]\n'), /^no step compiles/);
  assert.match(refused(nodeFile), /^there is no package.json/);
  assert.match(refused(nodeFile, { "package.json": '{"workspaces":["a"]}' }), /^package.json has workspaces/);
  assert.match(refused(nodeFile, { ...manifest, "dist/server.js": "" }), /is a file of the context/);
  assert.match(refused(nodeFile.replace(/CMD.*/, "CMD npm start"), manifest), /no script "start"/);
  assert.match(
    refused(nodeFile.replace(/CMD.*/, 'CMD ["pm2", "x"]'), manifest),
    /^what it runs cannot be told: pm2 x/,
  );
  assert.match(
    refused(nodeFile.replace("CMD", "RUN ./install-more\nCMD"), manifest),
    /^what line 6 does behind the build step/,
  );
  assert.match(
    refused("FROM python:3\nCOPY . .\nRUN pip install -r r.txt && make\n"),
    /^programs in python run from/,
  );
  assert.match(refused('FROM gcc:13\nCOPY . .\nRUN make\nCMD ["./a"]\n'), /C libraries of gcc:13/);
  assert.match(
    refused('FROM golang:1\nCOPY . .\nRUN go build -o /a .\nCMD ["/b"]\n'),
    /does not say with -o/,
  );
  assert.match(refused("FROM golang:1\nRUN CGO_ENABLED=1 go build -o /a .\nCMD /a\n"), /CGO_ENABLED=1/);
});
