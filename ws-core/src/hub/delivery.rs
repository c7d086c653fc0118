//! The results of hub calls: the outcome of a push, and counts over all nodes of a cluster.
//!
//! Today an application is one process: results are exact, and nothing is remote.

use std::fmt;

use crate::wire::SendError;

/// The outcome of a message for several connections.
///
/// The counters are those of this process. Use [`remote`](Self::remote) for the rest of a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// Outboxes that took it. Whether the peer reads it is not known, as with any push.
    pub sent: usize,
    /// Outboxes that were full. `limits.overflow` decides what happens to these connections.
    pub full: usize,
    /// Connections that had ended, or were about to.
    pub gone: usize,
    /// Connections that did not get it because the value was not serialised. The error is logged
    /// once, with the type of the value and the place of the call.
    pub failed: usize,
    /// The outcome for the other nodes of a cluster.
    pub remote: Remote,
}

impl Delivery {
    pub(super) fn count(&mut self, result: Result<(), SendError>) {
        match result {
            Ok(()) => self.sent += 1,
            Err(SendError::Full { .. }) => self.full += 1,
            Err(_) => self.gone += 1,
        }
    }
}

/// The outcome of a message for the other nodes of a cluster. It does not say what their members
/// received. Today an application is one process, and it is always [`None`](Self::None).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remote {
    /// There are no other nodes.
    #[default]
    None,
    /// It waits for the broker, after the messages that were queued before.
    Queued,
    /// The broker has accepted it.
    Accepted,
    /// No other node received it. Local members did.
    NotSent(NotSent),
    /// The link broke meanwhile: other nodes may have received it.
    Unknown,
}

/// Why no other node received a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotSent {
    /// Too many messages wait for the broker.
    Full,
    /// It is larger than messages between nodes may be.
    TooLarge,
    /// The broker cannot be reached.
    Unreachable,
}

/// The nodes for which a membership holds, returned by
/// [`Connection::join_confirmed`](crate::Connection::join_confirmed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach {
    /// Messages that any node pushes from now on arrive. Without a cluster, that node is this
    /// process.
    Cluster,
    /// Messages that this node pushes from now on arrive. Those of other nodes arrive once the
    /// broker can be reached again.
    Local,
}

/// A result that lacks nodes which did not answer in time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Incomplete<T> {
    /// The result of all nodes that answered, this one among them.
    pub value: T,
    /// The names of the nodes that did not answer.
    pub missing: Vec<String>,
}

impl<T> fmt::Display for Incomplete<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer from node {}", self.missing.join(", "))
    }
}

impl<T: fmt::Debug> std::error::Error for Incomplete<T> {}
