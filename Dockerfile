# Coffer without a PostgreSQL of its own: DATABASE_URL or DATABASE_HOST says where the database is,
# and SECRET_KEY must be set. docker-compose.yml puts both instances, database and proxy together.

FROM rust:1.95-bookworm AS build
WORKDIR /build

# For the feature `tls`, which builds libpq with OpenSSL. No versions are named, so that a new build
# brings Debian's security fixes.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libssl-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*

# Dependencies first, with empty sources: this layer is made anew only when Cargo.toml or Cargo.lock
# change. Every target that Cargo.toml names must be there.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src benches tests \
    && touch src/lib.rs \
    && for target in src/main benches/bench tests/screenshots; do \
        echo 'fn main() {}' > "$target.rs"; \
    done \
    && cargo build --release --locked --features tls \
    # Cargo compares times, and those of the real sources may be older than this build.
    && cargo clean --release --locked --package coffer

COPY migrations migrations
COPY static static
COPY templates templates
COPY src src
RUN cargo build --release --locked --features tls

FROM debian:bookworm-slim

# libssl3 and the certificates are for TLS to PostgreSQL. Coffer has its own table of time zones.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    # A fixed number, for `runAsUser` and for the owners of mounted files.
    && groupadd --system --gid 10001 coffer \
    && useradd --system --uid 10001 --gid coffer --home-dir /var/lib/coffer --create-home --shell /usr/sbin/nologin coffer

COPY --from=build /build/target/release/coffer /usr/local/bin/coffer
COPY --chmod=755 deploy/healthcheck.sh /usr/local/bin/healthcheck
# The licences of what is built in ask to be passed on.
COPY LICENSE LICENSES.md /usr/share/doc/coffer/
COPY static/vendor/inter/LICENSE /usr/share/doc/coffer/inter/
COPY static/vendor/lucide/LICENSE /usr/share/doc/coffer/lucide/

USER 10001:10001
WORKDIR /var/lib/coffer
# A port alone listens on all interfaces. Set PORT rather than BIND: the health check asks there.
ENV PORT=8080 \
    LOG_FORMAT=json
EXPOSE 8080

# Coffer finishes what is in flight within SHUTDOWN_TIMEOUT (30s): whoever stops the container has to
# wait longer than that before it kills.
STOPSIGNAL SIGTERM

# Whether the process answers, not whether its database does: where an unhealthy container is
# restarted, a restart would not help against that. `healthcheck /health/ready` asks for both. The
# start may take long while migrations run.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 CMD ["healthcheck"]

ENTRYPOINT ["coffer"]
CMD ["serve", "--no-demo"]
