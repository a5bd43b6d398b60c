# Worker, publish and pproc in one image. By itself it runs a worker:
#
#   docker build -t downbeat .
#
# Programs that experiments run are put on top: see examples/image. The target `examples` is
# this image with the project's own examples, for docker-compose.yml.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags='-s -w' -o /out/bin/ ./cmd/... && \
    install -D -m 0755 -t /out/libexec/downbeat deploy/container/*

FROM debian:bookworm-slim AS base
# tini is process 1: it passes signals on, and reaps what processes leave behind.
RUN apt-get update && \
    apt-get install --yes --no-install-recommends ca-certificates tini && \
    rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/downbeat --shell /usr/sbin/nologin downbeat && \
    install -d -o downbeat -g downbeat -m 0700 /var/lib/downbeat
COPY --from=build /out/ /usr/local/
ENV DOWNBEAT_STATE_DIR=/var/lib/downbeat \
    DOWNBEAT_METRICS_ADDR=127.0.0.1:9100
# Relative paths of programs are looked for here.
WORKDIR /work
USER 10001:10001
ENTRYPOINT ["tini", "--"]
CMD ["worker"]

FROM base AS examples
# Owned by the worker's user: the clone that they come from may be readable by its owner alone.
COPY --chown=10001:10001 examples examples

FROM base
