//! The vocabulary of an open connection: messages, close codes and reasons, connection ids, and the
//! errors of receiving and sending.
//!
//! Everything above uses these words. This module imports only the fixed limits, and it knows neither
//! sockets nor tasks.

mod close;
mod fault;
mod id;
mod message;
mod send;

pub(crate) use self::close::{CloseFrame, Ending, may_be_sent};
pub use self::{
    close::CloseReason,
    fault::MessageError,
    id::{ConnectionId, ParseConnectionIdError},
    message::{Message, Text},
    send::SendError,
};
