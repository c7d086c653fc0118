//! [`SpawnError`]: why a connection did not start a task.

use crate::wire::ConnectionId;

/// Why [`Connection::spawn`](crate::Connection::spawn) did not start a task. The future was
/// dropped.
///
/// A client whose event fails with [`TooMany`](Self::TooMany) gets the code `rate_limited`.
///
/// ```
/// use ws_core::{Connection, Result, error::SpawnError};
///
/// fn start(conn: &Connection) -> Result {
///     match conn.spawn(async { println!("working") }) {
///         Err(SpawnError::TooMany { limit }) => Ok(conn.push(format!("{limit} tasks run already"))?),
///         other => Ok(other?),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The connection has as many tasks as `limits.tasks` allows.
    #[error("a connection may have {limit} tasks at once")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The connection is closing or closed.
    #[error("connection {connection} is closed")]
    Closed {
        /// The connection that is closed.
        connection: ConnectionId,
    },
}

impl SpawnError {
    /// Returns the connection that is closed; `None` for other reasons.
    pub fn connection(&self) -> Option<ConnectionId> {
        match self {
            Self::Closed { connection } => Some(*connection),
            Self::TooMany { .. } => None,
        }
    }
}
