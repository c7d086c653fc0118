//! Why something was not sent.

use crate::wire::ConnectionId;

/// Why a message, a ping or a close frame was not taken for sending.
///
/// A callback that fails because its own connection has ended ends quietly. The error of another
/// connection ends the callback, too, but not its connection: the error is logged, and an event is
/// answered with `internal`. To go on with the callback, count such an error or ignore it.
/// [`connection`](Self::connection) returns the connection that the error is about.
///
/// ```
/// use ws_core::prelude::*;
///
/// fn tell_both(own: &Connection, other: &Connection) -> Result {
///     if let Err(error) = other.push("news") {
///         println!("{error}"); // the other one has ended, or its outbox is full
///     }
///     own.push("sent")?; // ends the callback quietly if its own connection has ended
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
    /// The outbox has no room; what happens to the connection is its overflow policy.
    #[error("the outbox of connection {connection} is full")]
    Full {
        /// The connection whose outbox is full.
        connection: ConnectionId,
    },
    /// A control frame carries at most 125 bytes (RFC 6455 section 5.5).
    #[error("a control frame carries at most 125 bytes, not {size}")]
    ControlTooLong {
        /// The payload's size in bytes.
        size: usize,
    },
    /// This close code may not be sent (RFC 6455 section 7.4): use 1000 to 1003, 1007 to 1014, or 3000 to 4999.
    #[error("close code {0} may not be sent; use 1000 to 1003, 1007 to 1014, or 3000 to 4999")]
    CloseCode(u16),
    /// The value could not be serialised.
    #[error("not serialised: {0}")]
    Serialize(#[from] serde_json::Error),
}

impl SendError {
    /// The connection that is closed, or whose outbox is full; `None` if the message itself cannot
    /// be sent.
    pub fn connection(&self) -> Option<ConnectionId> {
        match self {
            Self::Closed { connection } | Self::Full { connection } => Some(*connection),
            Self::ControlTooLong { .. } | Self::CloseCode(_) | Self::Serialize(_) => None,
        }
    }
}
