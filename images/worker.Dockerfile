# syntax=docker/dockerfile:1
# The image of sluice-worker: ingests a topic into Delta tables.
# docker buildx build --platform linux/amd64,linux/arm64 --file images/worker.Dockerfile --build-arg VERSION=... .
# Without Docker: dev/images, which reads the last stage of this file.

FROM rust:1.95.0-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates cmake g++ make perl pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
ARG TARGETARCH
# The caches are the builder's; the program leaves them with the folder.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target,id=worker-$TARGETARCH \
    cargo build --locked --release --package sluice-worker \
    && images/root-folder target/release/sluice-worker /root-folder

FROM scratch
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sluice-worker" \
    org.opencontainers.image.description="Takes a Kafka topic to bronze, silver and quarantine Delta tables" \
    org.opencontainers.image.source="https://github.com/sluice-dev/sluice" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION"
COPY --from=build /root-folder /
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/sluice-worker"]
