# syntax=docker/dockerfile:1
# escape=\
# check=skip=JSONArgsRecommended

# VERSION of the base image
ARG VERSION=12
FROM --platform=$BUILDPLATFORM debian:${VERSION} AS build
WORKDIR /src
COPY --chown=1:2 --exclude=*.md --exclude=*.txt . .
RUN --mount=type=cache,target=/root/.cache \
    # comments between lines stay comments
    --network=none \
    make \
      all

from build as Test
run ["make", "te\"st", "\u00e9"]

FROM scratch
COPY --from=build --link /src/app /app
COPY --from=0 ["/a b", "/c d"]
ENTRYPOINT ["/app"]
