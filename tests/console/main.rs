//! The development console over real sockets: its access, its answers, and its life cycle.

mod access;
mod data;
mod life;
mod support;
