#!/usr/bin/env bash
# Makes a project from docs/template as cargo-generate does, with the ws-core of this checkout, and
# tests it. With `--accept` it updates the contract of the template.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
project=$(mktemp -d)
trap 'rm -rf "$project"' EXIT

cp -r docs/template/. "$project"
rm "$project/cargo-generate.toml"
find "$project" -type f -exec sed -i 's/{{project-name}}/my-chat/g; s/{{crate_name}}/my_chat/g' {} +
printf '\n[patch.crates-io]\nws-core = { path = "%s/ws-core" }\nws-macros = { path = "%s/ws-macros" }\n' \
    "$root" "$root" >>"$project/Cargo.toml"
# The versions that the checkout is tested with.
cp Cargo.lock "$project"

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}/template"
cd "$project"
cargo fmt --check
if [ "${1:-}" = --accept ]; then
    cargo run --quiet -- asyncapi asyncapi.json
    sed 's/"title": "my-chat"/"title": "{{project-name}}"/' asyncapi.json >"$root/docs/template/asyncapi.json"
    exit
fi
cargo clippy --quiet --all-targets -- -D warnings
cargo test --quiet
cargo run --quiet -- contract asyncapi.json
