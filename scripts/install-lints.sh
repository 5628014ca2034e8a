#!/bin/sh
# Adds rustfmt and clippy to the toolchain where they are missing.
set -eu

for tool in fmt clippy; do
    cargo "$tool" --version >/dev/null 2>&1 && continue
    component=$tool
    [ "$tool" = fmt ] && component=rustfmt
    if ! command -v rustup >/dev/null 2>&1; then
        echo "Please install $component for this Rust toolchain" >&2
        exit 1
    fi
    rustup component add "$component"
done
