#!/usr/bin/env bash
# Packs ws-macros and ws-core as for crates.io, and compiles ws-core from the packages. The change
# under test need not be committed.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo package -p ws-macros -p ws-core --locked --allow-dirty
for crate in ws-macros ws-core; do
    package=$(ls "${CARGO_TARGET_DIR:-target}"/package/$crate-*.crate)
    files=$(tar -tzf "$package")
    for file in README.md LICENSE-MIT LICENSE-APACHE; do
        grep -q "/$file\$" <<<"$files" || { echo "$package has no $file" >&2; exit 1; }
    done
    bytes=$(stat -c %s "$package")
    echo "$package: $bytes bytes, $(wc -l <<<"$files") files"
    [ "$bytes" -lt 1000000 ] || { echo "$package is larger than 1 MB" >&2; exit 1; }
done
