//! The handle of an open connection, and what it keeps: the outbox, the outstanding asks, its expiry.
//!
//! Any task may hold a [`Connection`]. It never touches the socket: that belongs to the session's task,
//! which takes from the [`Outbox`] what is to be sent.

mod asks;
mod expiry;
mod handle;
mod outbox;

#[cfg(feature = "jwt")]
pub(crate) use self::expiry::{ends_connections, valid_until};
pub(crate) use self::outbox::{Outbox, Stop};
pub use self::{
    asks::{AskError, PendingAsk},
    handle::Connection,
};
