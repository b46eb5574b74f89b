import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createSandbox, finished, launcher, type Output } from "./sandbox.ts";

const sandbox = createSandbox("alias");

/** A command line for docker, run by bash where `docker` is an alias of ours. */
function docker(line: string): Promise<Output> {
  const alias = `shopt -s expand_aliases\nalias docker="'${process.execPath}' '${launcher}'"`;
  const { DOCKER_BUILDKIT: _, BUILDKIT_PROGRESS: __, ...env } = process.env;
  return finished(
    spawn("bash", ["-c", `${alias}\n${line}\n`], {
      cwd: join(sandbox.directory, "app"),
      env: { ...env, STAGEWRIGHT_ROOT: sandbox.store },
    }),
  );
}

const dockerfile = `# syntax=docker/dockerfile:1
FROM busybox AS builder
ARG http_proxy
WORKDIR /src
COPY <<EOF ./main.txt
hello
EOF
RUN mkdir -p dist && cp main.txt dist/ && echo built

FROM builder AS unneeded
RUN echo unneeded

FROM busybox AS runtime
COPY --from=builder /src/dist /app
CMD ["cat", "/app/main.txt"]
`;

before(async () => {
  await sandbox.ok(["bootstrap", "busybox"]);
  sandbox.files("app", { Dockerfile: dockerfile, "Dockerfile.build": dockerfile });
});

/** Lines in the order in which a reader of a guide to multi-stage builds may type them, and what they print. */
const lines: readonly (readonly [string, RegExp])[] = [
  ["docker build -t hello .", /^Image hello:latest: /m],
  ["docker run hello", /^hello\n$/],
  ["docker run --rm hello echo two words", /^two words\n$/],
  ["docker build --target builder -t hello .", /builder +busybox .* the image/],
  ["docker build --target builder -t my-app:builder .", /^Image my-app:builder: /m],
  ["docker build --target runtime -t my-app:runtime .", /unneeded .* skipped: not needed by target runtime/],
  [
    "DOCKER_BUILDKIT=1 docker build --no-cache -f Dockerfile --target runtime .",
    /\[runtime 2\/2\] COPY --from=builder/,
  ],
  [
    "DOCKER_BUILDKIT=0 docker build --no-cache -f Dockerfile --target runtime .",
    /^Step 7\/10 : RUN echo unneeded\n ---> Running in [0-9a-f]{12}\nunneeded\n/m,
  ],
  [
    "docker build --build-arg https_proxy=$https_proxy --build-arg http_proxy=$http_proxy \\\n -t team/counter:build . -f Dockerfile.build",
    /^Image team\/counter:build: /m,
  ],
  ["docker build --no-cache -t team/counter:latest .", /^Image team\/counter:latest: /m],
  ["docker build -t my-app:single .", /^Image my-app:single: /m],
  [
    "docker images my-app:single",
    /^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE\nmy-app +single +[0-9a-f]{12} .*MB\n$/,
  ],
  ["docker image ls my-app", /^my-app +runtime .*\n/m],
  ["docker images --format '{{.Repository}}:{{.Tag}}' my-app:single", /^my-app:single\n$/],
  [
    "docker images --filter reference='team/*:latest' --format json",
    /^\{"Repository":"team\/counter","Tag":"latest",.*\}\n$/,
  ],
  ["docker images --no-trunc -q my-app:single", /^sha256:[0-9a-f]{64}\n$/],
  ["docker images --filter dangling=true -q", /^([0-9a-f]{12}\n)+$/],
  ["docker images --filter label=nosuch --filter dangling=false", /^REPOSITORY .*\n$/],
  ["docker image build -q -t hello .", /^sha256:[0-9a-f]{64}\n$/],
  ["docker buildx build --load --progress=plain -t hello .", /^#\d+ exporting to image$/m],
  ["docker builder build -q .", /^sha256:/],
  ["docker container run --rm -i hello", /^hello\n$/],
  ["docker history hello", /^IMAGE +CREATED +CREATED BY +SIZE +COMMENT\n[0-9a-f]{12} .*CMD \["cat"/],
  ["docker history -q --no-trunc hello", /^sha256:[0-9a-f]{64}\n<missing>\n/],
  [
    "docker image history --format '{{.CreatedBy}}|{{.Size}}' hello",
    /^COPY \/src\/dist \/app # buildkit\|\d+B$/m,
  ],
  ["docker image inspect hello", /"Cmd": \[\n *"cat",/],
  ["docker tag hello localhost:5000/team/hello:1", /^$/],
  ["docker image tag hello localhost:5000/team/hello:2", /^$/],
  ["docker save hello | docker load", /^Loaded image: hello:latest$/m],
  ["docker rmi localhost:5000/team/hello:1", /^Untagged: localhost:5000\/team\/hello:1$/m],
  ["docker image rm localhost:5000/team/hello:2", /^Untagged: /m],
  ["docker image prune -f", /^Total reclaimed space: /m],
  ["docker builder prune -f", /^Total reclaimed space: /m],
  ["docker buildx prune -af", /^0 images, \d+ cached steps/m],
  ["docker system df", /^KIND +SIZE\n/],
  ["docker system prune -f", /^Total reclaimed space: /m],
  ["docker run hello", /^hello\n$/],
  ["docker container create --name extract team/counter:build", /^[0-9a-f]{64}\n$/],
  ["docker container cp extract:/app/main.txt ./main.txt && cat main.txt", /^hello\n$/],
  [
    "docker container ls -a",
    /^CONTAINER ID .*\n[0-9a-f]{12} +team\/counter:build +"cat .* Created +extract\n/,
  ],
  ["docker cp ./main.txt extract:/app/copy.txt", /^Successfully copied .* to extract:\/app\/copy.txt$/m],
  ["docker container rm -f extract", /^extract\n$/],
  ["docker run -it --rm hello </dev/null; [ $? = 125 ]", /^ERROR: the input device is not a TTY$/m],
  [
    `script -qec "\${BASH_ALIASES[docker]} run -it --rm hello tty" /dev/null </dev/null`,
    /\/dev\/pts\/\d+\r$/m,
  ],
  [
    'docker run -d --name web -p "0:8080" hello sh -c "echo up; exec httpd -f -p 8080 -h /app"',
    /^[0-9a-f]{64}\n$/,
  ],
  ["docker ps", /^[0-9a-f]{12} +hello +"sh -c .*" .* Up .* 0\.0\.0\.0:\d+->8080\/tcp +web\n$/m],
  [
    "port=$(docker ps | sed -En 's/.*:([0-9]+)->8080.*/\\1/p'); for try in {1..100}; do exec 3<>/dev/tcp/127.0.0.1/$port && break; sleep 0.1; done 2>/dev/null; printf 'GET /main.txt HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3",
    /\nhello\n$/,
  ],
  ["docker logs web", /^up\n$/],
  ["docker stop -t 0 web", /^web\n$/],
  ["docker ps -a", /Exited \(137\) .* web\n/],
  ["docker rm web", /^web\n$/],
  ["docker ps -q", /^$/],
  ["docker version", /^stagewright \d/],
];

describe("alias docker=stagewright", () => {
  after(() => sandbox.run(["rm", "-f", "extract", "web"]));

  for (const [line, shown] of lines)
    test(line, async () => {
      const { code, stdout, stderr } = await docker(line);
      assert.equal(code, 0, `${stdout}\n${stderr}`);
      assert.match(stdout === "" ? stderr : stdout, shown, `${stdout}\n${stderr}`);
    });
});
