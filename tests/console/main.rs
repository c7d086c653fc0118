//! The development console over real sockets: who may ask, what it answers, when it runs.

mod access;
mod data;
mod life;
mod support;
