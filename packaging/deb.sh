#!/usr/bin/env bash
# packaging/deb.sh      makes target/debian/tenfold_VERSION_ARCHITECTURE.deb
set -euo pipefail
cd "$(dirname "$0")/.."

cargo deb --version >/dev/null 2>&1 || cargo install --locked cargo-deb
cargo build --release --locked --package tenfold-cli

# What the program says of itself.
made=target/packaging
rm -rf "$made"
mkdir -p "$made/man"
target/release/tenfold man --dir "$made/man"
gzip --best --no-name "$made"/man/*.1
for shell in bash zsh fish; do target/release/tenfold completions "$shell" > "$made/tenfold.$shell"; done

cargo deb --no-build --package tenfold-cli
