# syntax=docker/dockerfile:1
# The same server with the whole Go toolchain around it.
FROM golang:alpine
WORKDIR /go/src/app
COPY main.go .
RUN CGO_ENABLED=0 go build -o /out/webserver main.go
WORKDIR /out
EXPOSE 8080
CMD ["./webserver"]
