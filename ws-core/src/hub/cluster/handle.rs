//! [`Cluster`]: the view of the cluster for users: its state, its nodes, its changes and its
//! counters.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use tokio::{sync::broadcast, time::Instant};
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError as Missed};

use super::{ThisNode, counters::Counters, wire::Beat};
use crate::hub::Live;
pub use crate::telemetry::ClusterStats;

/// The cluster that this process belongs to, returned by [`Hub::cluster`](crate::Hub::cluster).
///
/// ```
/// use ws_core::{Hub, hub::ClusterChange};
///
/// async fn report(hub: Hub) {
///     let mut changes = hub.cluster().changes();
///     while let Some(change) = changes.next().await {
///         if let ClusterChange::Gap { at_most } = change {
///             println!("messages of other nodes in the last {at_most:?} may be missing");
///         }
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Cluster(Arc<Live>);

/// The state of this node's link to the broker.
///
/// ```
/// use ws_core::{Hub, hub::ClusterState};
///
/// fn is_connected(hub: &Hub) -> bool {
///     hub.cluster().state() == ClusterState::Up
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClusterState {
    /// `[cluster]` is not configured, or this process has stopped.
    Alone,
    /// The broker was not reached since the start.
    Joining,
    /// Messages go to and come from the other nodes.
    Up,
    /// The broker cannot be reached.
    Down {
        /// The time at which the link ended.
        since: Instant,
    },
}

/// A change of the cluster, returned by [`Cluster::changes`].
///
/// ```
/// use ws_core::hub::ClusterChange;
///
/// fn report(change: &ClusterChange) {
///     match change {
///         ClusterChange::Gap { at_most } => println!("messages of the last {at_most:?} may be missing"),
///         ClusterChange::NodeLeft { name, died: true, .. } => println!("{name} died"),
///         other => println!("{other:?}"),
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClusterChange {
    /// The link to the broker is up.
    Up,
    /// The link to the broker has ended.
    Down,
    /// The link is up again. Messages that other nodes sent while it was down were missed.
    Gap {
        /// The upper bound of the missed time: the time since this node last received its own
        /// heartbeat.
        at_most: Duration,
    },
    /// The first heartbeat of a node was received.
    NodeJoined {
        /// The id of the node.
        id: NodeId,
        /// The name of the node.
        name: String,
    },
    /// A node is gone.
    NodeLeft {
        /// The id of the node.
        id: NodeId,
        /// The name of the node.
        name: String,
        /// Whether the node was silent for `cluster.node_timeout`. Otherwise it has stopped and
        /// sent a goodbye.
        died: bool,
    },
    /// Received messages were dropped, because this node is too slow.
    Lost {
        /// The number of messages.
        messages: u64,
    },
    /// A node cannot exchange messages with this one, because their versions have none of the
    /// formats in common, or because both have the same id.
    Incompatible {
        /// The id of the node.
        id: NodeId,
        /// The name of the node.
        name: String,
    },
    /// This number of changes was missed, because more than 256 waited to be read.
    Lagged(u64),
}

/// The id of a node: the first part of the ids of its connections. It is random for each start of a
/// process.
///
/// ```
/// use ws_core::{Hub, hub::NodeId};
///
/// fn ids(hub: &Hub) -> Vec<NodeId> {
///     hub.cluster().nodes().iter().map(|node| node.id).collect()
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(in crate::hub) u32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One node of a cluster, returned by [`Cluster::nodes`].
///
/// ```
/// use ws_core::Hub;
///
/// fn print(hub: &Hub) {
///     for node in hub.cluster().nodes() {
///         println!("{} ({}): {} connections", node.name, node.id, node.connections);
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterNode {
    /// The id of the node.
    pub id: NodeId,
    /// The name of the node (`cluster.name`).
    pub name: String,
    /// The oldest and the newest version of the format between nodes that it reads.
    pub versions: (u8, u8),
    /// The number of its connections at its last heartbeat.
    pub connections: u64,
    /// The time since its last heartbeat was received.
    pub last_heard: Duration,
}

impl ClusterNode {
    pub(super) fn new(beat: &Beat, last_heard: Duration) -> Self {
        Self {
            id: NodeId(beat.node),
            name: beat.name.clone(),
            versions: (beat.oldest, beat.newest),
            connections: beat.connections,
            last_heard,
        }
    }
}

impl Cluster {
    pub(in crate::hub) fn new(live: &Arc<Live>) -> Self {
        Self(Arc::clone(live))
    }

    fn node(&self) -> Option<&Arc<ThisNode>> {
        self.0.cluster()
    }

    /// Returns the state of the link to the broker.
    pub fn state(&self) -> ClusterState {
        self.node().map_or(ClusterState::Alone, |node| node.state())
    }

    /// Returns the nodes that are alive: this one first, then the others by name. Without a cluster
    /// it is empty.
    pub fn nodes(&self) -> Vec<ClusterNode> {
        self.node().map(|node| node.nodes(self.0.len() as u64)).unwrap_or_default()
    }

    /// Returns a stream of the changes from now on. Without a cluster it ends at once.
    pub fn changes(&self) -> ClusterChanges {
        ClusterChanges(self.node().and_then(|node| node.changes()).map(BroadcastStream::new))
    }

    /// Receives a message of this channel as if the broker had sent it.
    #[cfg(all(fuzzing, feature = "testing"))]
    pub(crate) fn receive(&self, channel: bytes::Bytes, message: bytes::Bytes) {
        if let Some(node) = self.node() {
            node.receive(node.link(), channel, message);
        }
    }

    /// Returns the counters since the start. Without a cluster they are zero.
    pub fn stats(&self) -> ClusterStats {
        self.node().map(|node| node.stats()).unwrap_or_default()
    }
}

/// A stream of the changes of the cluster, returned by [`Cluster::changes`].
///
/// ```
/// use ws_core::Hub;
///
/// async fn log(hub: Hub) {
///     let mut changes = hub.cluster().changes();
///     while let Some(change) = changes.next().await {
///         println!("{change:?}");
///     }
/// }
/// ```
#[derive(Debug)]
pub struct ClusterChanges(Option<BroadcastStream<ClusterChange>>);

impl ClusterChanges {
    /// Waits for the next change. Returns `None` without a cluster, or after it was left.
    pub async fn next(&mut self) -> Option<ClusterChange> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for ClusterChanges {
    type Item = ClusterChange;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ClusterChange>> {
        let Some(changes) = &mut self.0 else { return Poll::Ready(None) };
        let change = ready!(Pin::new(changes).poll_next(cx));
        Poll::Ready(change.map(|change| match change {
            Ok(change) => change,
            Err(Missed::Lagged(missed)) => ClusterChange::Lagged(missed),
        }))
    }
}

/// The sender of the changes.
pub(super) fn changes() -> broadcast::Sender<ClusterChange> {
    broadcast::Sender::new(crate::fixed::WATCHED_CHANGES)
}

impl ClusterStats {
    pub(super) fn of(counters: &Counters, subscriptions: usize) -> Self {
        Self {
            published: counters.published.get(),
            accepted: counters.accepted.get(),
            unknown: counters.unknown.get(),
            dropped: counters.dropped.get(),
            refused: counters.refused.get(),
            received: counters.received.get(),
            lost: counters.lost.get(),
            duplicates: counters.duplicates.get(),
            late: counters.late.get(),
            malformed: counters.malformed.get(),
            subscriptions: subscriptions as u64,
            reconnects: counters.reconnects.get(),
            worst_echo: Duration::from_micros(counters.worst_echo_micros.get()),
            gaps: Duration::from_micros(counters.gap_micros.get()),
        }
    }
}
