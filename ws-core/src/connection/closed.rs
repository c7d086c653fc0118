//! Errors that user code sees because a connection has ended, and the connection that they are
//! about.

use super::{AskError, Connection, SpawnError};
use crate::{
    error::Error,
    wire::{ConnectionId, SendError},
};

impl Connection {
    /// Whether this error means that this connection has ended. A full outbox ends it as well,
    /// unless the overflow policy drops messages instead.
    pub(crate) fn is_ended_by(&self, error: &Error) -> bool {
        let is_full = matches!(error.downcast_ref(), Some(SendError::Full { .. }))
            || matches!(error.downcast_ref(), Some(AskError::Send(SendError::Full { .. })));
        connection_of(error) == Some(self.id()) && !(is_full && self.is_open())
    }

    /// Whether this error is about another connection.
    pub(crate) fn is_other_in(&self, error: &Error) -> bool {
        connection_of(error).is_some_and(|connection| connection != self.id())
    }
}

/// Returns the connection that ended or whose outbox was full, if the error is about one.
fn connection_of(error: &Error) -> Option<ConnectionId> {
    let of_send = error.downcast_ref().and_then(SendError::connection);
    let of_ask = || error.downcast_ref().and_then(AskError::connection);
    let of_spawn = || error.downcast_ref().and_then(SpawnError::connection);
    of_send.or_else(of_ask).or_else(of_spawn)
}
