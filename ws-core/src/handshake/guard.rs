//! [`GuardRef`]: a function that may refuse a handshake, after the middleware and before the 101.

use std::pin::Pin;

use crate::{error::Result, request::Handshake};

/// The future of one guard's call.
pub type GuardFuture<'a> = Pin<Box<dyn Future<Output = Result> + Send + 'a>>;

/// A function named by `#[guard(..)]` on a controller.
#[derive(Clone, Copy)]
pub struct GuardRef {
    /// As it was written.
    pub name: &'static str,
    /// Calls it.
    pub call: for<'a> fn(&'a Handshake) -> GuardFuture<'a>,
}
