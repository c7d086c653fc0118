//! The vocabulary of an open connection: messages, close codes and reasons, connection ids, and the
//! errors of receiving and sending.
//!
//! All other modules use these types. This module depends only on the fixed limits; it must not use
//! sockets, tasks or connections.

mod close;
mod fault;
mod id;
mod message;
mod send;
mod spawn;

pub(crate) use self::close::{CloseFrame, Ending, may_be_sent};
pub use self::{
    close::CloseReason,
    fault::MessageError,
    id::{ConnectionId, ParseConnectionIdError},
    message::{Message, Text},
    send::SendError,
    spawn::SpawnError,
};
