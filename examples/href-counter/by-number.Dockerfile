# syntax=docker/dockerfile:1
# The first stage has no name: it is number 0.
FROM golang:1
WORKDIR /src/href-counter
COPY go.mod .
RUN go mod download
COPY *.go .
RUN CGO_ENABLED=0 GOOS=linux go build -o app .

FROM alpine:latest
COPY --from=0 /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
WORKDIR /root
COPY --from=0 /src/href-counter/app .
ENTRYPOINT ["./app"]
