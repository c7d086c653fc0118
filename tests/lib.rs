//! Integration tests over real sockets live in `integration/`, the compile-time ones in `ui/`.
