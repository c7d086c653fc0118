//! Properties that hold for any bytes. Each target is a module with a function `check`, which
//! panics if a property does not hold.
//!
//! The functions do not depend on libFuzzer, so that an ordinary test can replay the kept corpus
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
