//! [`Connection`], the handle of an open connection, and what it keeps: its outbox, its outstanding
//! asks, its expiry.
//!
//! Any task may hold a handle. It never touches the socket: that belongs to the connection's own task,
//! which takes from the outbox what is to be sent.

mod asks;
mod expiry;
mod handle;
mod outbox;

#[cfg(feature = "jwt")]
pub(crate) use self::expiry::{ends_connections, valid_until};
pub(crate) use self::{
    asks::is_of_ask,
    outbox::{Outbox, Stop},
};
pub use self::{
    asks::{AskError, PendingAsk},
    handle::Connection,
};
pub use crate::{
    request::ContextMap,
    wire::{CloseReason, ConnectionId, Message, ParseConnectionIdError, SendError, Text},
};
