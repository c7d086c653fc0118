//! [`Connection`], the handle of an open connection, with its outbox, its outstanding asks, its
//! tasks and its expiry.
//!
//! A handle exists from the accepted handshake on. Any task may hold one. The handle never touches
//! the socket: the session task owns the socket, takes messages from the outbox and writes them. A
//! handle that outlives its connection is valid, and its methods then return an error.

mod asks;
mod closed;
mod expiry;
mod handle;
mod outbox;
mod tap;
mod tasks;

#[cfg(feature = "jwt")]
pub(crate) use self::expiry::{register_expiring, valid_until};
#[cfg(feature = "console")]
pub(crate) use self::tap::{RecordedKind, RecordedMessage, Recording};
pub use self::{
    asks::{AskError, PendingAsk},
    handle::Connection,
    tasks::TaskOutput,
};
pub(crate) use self::{
    asks::{decode as decode_answer, encode as encode_ask, is_ask_ref},
    outbox::{Outbox, Stop},
    tap::{Direction, Tap},
    tasks::{TaskMark, Waiter},
};
pub use crate::{
    request::ContextMap,
    wire::{CloseReason, ConnectionId, Message, ParseConnectionIdError, SendError, SpawnError, Text},
};
