#!/bin/sh
# Makes the stand-ins and pushes them to the registry that is named: push.sh 127.0.0.1:5000
set -eu
registry=$1
cd "$(dirname "$0")"

stagewright bootstrap busybox --name from-debian/busybox
base=debian:bookworm-slim
stagewright bootstrap $base --name from-debian/slim
stagewright bootstrap $base --include golang-go --name from-debian/golang

stand_in() {
  stage=$1
  shift
  for name; do
    stagewright build --quiet --build-arg http_proxy --build-arg https_proxy --build-arg no_proxy \
      --target "$stage" --tag "$registry/library/$name" .
  done
  for name; do stagewright push --quiet --compression zstd "$registry/library/$name"; done
}

stand_in alpine alpine:latest
stand_in debian debian:bookworm-slim
stand_in ubuntu ubuntu:latest
stand_in golang golang:1 golang:alpine
stand_in node node:18
stand_in node-alpine node:18-alpine
stand_in nginx nginx:latest
