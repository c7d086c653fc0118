#!/usr/bin/env bash
# Runs each example as its first lines say, without features or arguments. An example that serves
# is ended by SIGINT once the address that it prints accepts connections; any other ends by itself.
# The ports are free ones where an example reads the environment, since 9502 may be in use here.
set -euo pipefail
cd "$(dirname "$0")/.."
target="${CARGO_TARGET_DIR:-target}"
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# Waits until the address that the example has printed accepts connections, for 10 s at most.
accepts() {
    local port
    for _ in $(seq 100); do
        port=$(grep -om1 '127\.0\.0\.1:[0-9]*' "$output" | head -1 | cut -d: -f2) || port=
        if [ -n "$port" ] && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return; fi
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.1
    done
    return 1
}

cargo build -p ws-core --examples --locked
for example in ws-core/examples/*.rs; do
    name=$(basename "$example" .rs)
    echo "-- $name"
    ports=(WS__SERVERS__WS__PORT=0)
    [ "$name" != two_servers ] || ports+=(WS__SERVERS__ADMIN__PORT=0 WS__SERVERS__HTTP__PORT=0)
    env "${ports[@]}" "$target/debug/examples/$name" >"$output" &
    process=$!
    accepts "$process" || { kill "$process"; echo "$name does not accept connections" >&2; exit 1; }
    kill -INT "$process" 2>/dev/null || true
    wait "$process" || { echo "$name ended with $?" >&2; exit 1; }
    cat "$output"
done
