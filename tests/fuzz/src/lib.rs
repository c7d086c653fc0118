//! What must hold for any bytes: one module a target, each with one function `check` that panics where it does not.
//!
//! The functions know nothing of libFuzzer, so that the kept corpus is replayed by an ordinary test, too
//! (`tests/corpus.rs`).

#[cfg(not(fuzzing))]
compile_error!("built by cargo-fuzz, or with RUSTFLAGS=\"--cfg fuzzing\"");

pub mod cluster;
pub mod deflate;
pub mod envelope;
pub mod handshake;
pub mod route_path;
pub mod second_opinion;
pub mod socket;
