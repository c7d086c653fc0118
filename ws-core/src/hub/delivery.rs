//! The results of hub calls: the outcome of a push, and counts over all nodes of a cluster.

use std::fmt;

use crate::wire::SendError;

/// The outcome of a message to several connections.
///
/// The counters are those of this process. Use [`remote`](Self::remote) for the rest of a cluster.
///
/// ```
/// use ws_core::Hub;
///
/// fn announce(hub: &Hub) {
///     let delivery = hub.all().push("maintenance at noon");
///     println!("{} sent, {} full, {} gone", delivery.sent, delivery.full, delivery.gone);
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// The number of outboxes that accepted the message. It is not known whether the peer reads it.
    pub sent: usize,
    /// The number of outboxes that were full. `limits.overflow` decides whether these connections
    /// stay open.
    pub full: usize,
    /// The number of connections that were closing or had ended.
    pub gone: usize,
    /// The number of connections without the message because the value was not serialised. The
    /// error is logged once, with the type of the value and the place of the call.
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

/// The outcome of a message for the other nodes of a cluster. It does not include whether their
/// members received it.
///
/// ```
/// use ws_core::{Hub, hub::Remote};
///
/// async fn announce(hub: &Hub) {
///     let delivery = hub.all().in_turns().push("maintenance at noon").await;
///     match delivery.remote {
///         Remote::None | Remote::Accepted => println!("on its way"),
///         other => println!("other nodes may not have it: {other:?}"),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remote {
    /// No cluster is configured, or the target is one connection of this node.
    #[default]
    None,
    /// The message is queued for the broker.
    Queued,
    /// The broker has accepted the message.
    Accepted,
    /// No other node received the message. It was delivered to local members only.
    NotSent(NotSent),
    /// The link to the broker broke: other nodes may or may not have received the message.
    Unknown,
}

/// The reason why no other node received a message.
///
/// ```
/// use ws_core::hub::{NotSent, Remote};
///
/// /// Whether the same message may be sent later.
/// fn may_try_again(remote: Remote) -> bool {
///     matches!(remote, Remote::NotSent(NotSent::Full | NotSent::Unreachable))
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotSent {
    /// Too many messages are queued for the broker (8192, or `cluster.queue` bytes).
    Full,
    /// The message is larger than `cluster.message`.
    TooLarge,
    /// The broker cannot be reached.
    Unreachable,
    /// The broker has refused the message, for example because its user may not publish. The error
    /// is logged.
    Refused,
    /// The value was not serialised. The error is logged.
    Failed,
}

/// The nodes for which a membership holds, returned by
/// [`Connection::join_confirmed`](crate::Connection::join_confirmed).
///
/// ```
/// use ws_core::{Connection, Result, hub::Reach};
///
/// async fn enter(conn: &Connection) -> Result {
///     match conn.join_confirmed("lobby").await? {
///         Reach::Cluster => conn.push("all nodes reach you")?,
///         _ => conn.push("only this node reaches you for now")?,
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach {
    /// Messages that any node pushes from now on arrive. Without a cluster, this process is the
    /// only node.
    Cluster,
    /// Messages that this node pushes from now on arrive. Messages of other nodes arrive once the
    /// broker can be reached again.
    Local,
}

/// A result without the nodes that did not answer in time.
///
/// ```
/// use ws_core::{Hub, hub::Incomplete};
///
/// async fn online(hub: &Hub) -> String {
///     match hub.count().await {
///         Ok(count) => count.to_string(),
///         Err(Incomplete { value, missing, .. }) => format!("at least {value}, without {missing:?}"),
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Incomplete<T> {
    /// The result of all nodes that answered, including this one.
    pub value: T,
    /// The names of the nodes that did not answer within a second. While the broker cannot be
    /// reached, these are all nodes that were known; the list may be empty.
    pub missing: Vec<String>,
}

impl<T> fmt::Display for Incomplete<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.missing.is_empty() {
            return f.write_str("the other nodes cannot be reached");
        }
        write!(f, "no answer from node {}", self.missing.join(", "))
    }
}

impl<T: fmt::Debug> std::error::Error for Incomplete<T> {}
