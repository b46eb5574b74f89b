#!/bin/sh
# How it was done before multi-stage builds: two Dockerfiles, a container between them, and a script around it all.
set -eu
cd "$(dirname "$0")"

echo Building href-counter:build
stagewright build --build-arg https_proxy="${https_proxy-}" --build-arg http_proxy="${http_proxy-}" \
  -t href-counter:build -f Dockerfile.build ..

stagewright container create --name extract href-counter:build
stagewright container cp extract:/src/href-counter/app ./app
stagewright container cp extract:/etc/ssl/certs/ca-certificates.crt ./ca-certificates.crt
stagewright container rm -f extract

echo Building href-counter:latest
stagewright build --no-cache -t href-counter:latest .
rm ./app ./ca-certificates.crt
