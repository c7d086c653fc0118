//! [`GuardRef`]: a function that may refuse a handshake. It runs after the middleware and before
//! the 101.

use std::pin::Pin;

use crate::{error::Result, request::Handshake};

/// The future of one guard's call.
pub type GuardFuture<'a> = Pin<Box<dyn Future<Output = Result> + Send + 'a>>;

/// A function named by `#[guard(..)]` on a controller.
#[derive(Clone, Copy)]
pub struct GuardRef {
    /// The function's path, as written in the attribute.
    pub name: &'static str,
    /// Calls the function.
    pub call: for<'a> fn(&'a Handshake) -> GuardFuture<'a>,
}
