//! Integration tests over real sockets live in `integration/`, the compile-time ones in `ui/`.
//!
//! The Rust blocks of the README and of the guides are compiled here, as documentation tests.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../docs/from-hyperf.md")]
struct FromHyperf;

#[cfg(doctest)]
#[doc = include_str!("../docs/envelope.md")]
struct Envelope;

#[cfg(doctest)]
#[doc = include_str!("../docs/from-axum.md")]
struct FromAxum;
