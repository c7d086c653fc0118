//! [`SendError`]: why a message or a control frame was not accepted for sending.

use crate::wire::ConnectionId;

/// Why a message, a ping or a close frame was not accepted for sending.
///
/// If a callback returns this error because its own connection ends, the callback ends and no error
/// is logged. The error of another connection also ends the callback, but it does not close the
/// callback's connection: the error is logged, and an event is answered with `internal`. To
/// continue the callback, handle or ignore the error of the other connection.
/// [`connection`](Self::connection) returns the connection that the error is about.
///
/// ```
/// use ws_core::prelude::*;
///
/// fn send_both(own: &Connection, other: &Connection) -> Result {
///     if let Err(error) = other.push("news") {
///         println!("{error}"); // the other connection is closed, or its outbox is full
///     }
///     own.push("sent")?; // ends the callback, without a log line, if its own connection is closed
///     Ok(())
/// }
/// # fn main() {}
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is closing or closed; nothing more can be sent.
    #[error("connection {connection} is closed")]
    Closed {
        /// The connection that is closed.
        connection: ConnectionId,
    },
    /// The outbox has no room. `limits.overflow` decides whether the connection closes.
    #[error("the outbox of connection {connection} is full")]
    Full {
        /// The connection whose outbox is full.
        connection: ConnectionId,
    },
    /// The payload of a control frame is longer than 125 bytes (RFC 6455 section 5.5).
    #[error("a control frame carries at most 125 bytes, not {size}")]
    ControlTooLong {
        /// The payload's size in bytes.
        size: usize,
    },
    /// This close code may not be sent (RFC 6455 section 7.4). Use 1000 to 1003, 1007 to 1014, or
    /// 3000 to 4999.
    #[error("close code {0} may not be sent; use 1000 to 1003, 1007 to 1014, or 3000 to 4999")]
    CloseCode(u16),
    /// The value could not be serialised.
    #[error("not serialised: {0}")]
    Serialize(#[from] serde_json::Error),
}

impl SendError {
    /// Returns the connection that is closed or whose outbox is full; `None` if the message itself
    /// cannot be sent.
    pub fn connection(&self) -> Option<ConnectionId> {
        match self {
            Self::Closed { connection } | Self::Full { connection } => Some(*connection),
            Self::ControlTooLong { .. } | Self::CloseCode(_) | Self::Serialize(_) => None,
        }
    }
}
