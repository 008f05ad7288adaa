# Build: docker build -t hangouts-bridge .
# Run:   docker run -v /srv/hangouts-bridge:/data hangouts-bridge
FROM golang:1.26-bookworm AS build
ENV GOFLAGS=-tags=goolm GOTOOLCHAIN=local CGO_ENABLED=1
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
RUN go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/hangouts-bridge ./cmd/hangouts-bridge

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 1337 --home-dir /data --create-home --shell /usr/sbin/nologin bridge
COPY --from=build /out/hangouts-bridge /usr/bin/hangouts-bridge
USER 1337
WORKDIR /data
VOLUME /data
# 29331: appservice; 6667: IRC (listens on 127.0.0.1 unless network.irc.listen says otherwise)
EXPOSE 29331 6667
# Healthy while one of the listeners of the default config answers.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/29331 || exec 3<>/dev/tcp/127.0.0.1/6667"]
ENTRYPOINT ["/usr/bin/hangouts-bridge"]
CMD ["-c", "/data/config.yaml"]
