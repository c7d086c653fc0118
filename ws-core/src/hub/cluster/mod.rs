//! The cluster: the messages between this node and the other nodes of the application.
//!
//! A hub call that acts delivers to the members on this node first, and then queues the message for
//! the broker ([`ThisNode::publish`]); it never waits for the broker and never fails with it. The
//! [link](link) publishes the queue and keeps one connection to the broker; received messages go
//! through [`incoming`] to the members. A node subscribes the channels of its groups
//! ([`interest`]), so it receives only messages for groups that have members here.
//!
//! Every queue has a limit, every wait a deadline, and every lost message is a result, a counter or
//! a change. Bytes from the broker are untrusted: [`wire`] checks them. Without `[cluster]`
//! neither [`ThisNode`] nor a task of this module exists.

mod agenda;
mod asking;
mod beats;
mod brokers;
mod changes;
mod claiming;
mod counters;
mod followed;
mod handle;
mod incoming;
mod interest;
mod link;
mod names;
mod nodes;
mod outgoing;
mod owned;
mod questions;
mod roster;
#[cfg(all(test, feature = "testing"))]
mod tests;
mod watching;
pub(in crate::hub) mod wire;

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Semaphore, broadcast, oneshot, watch},
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::brokers::Connector;
#[cfg(feature = "testing")]
pub(crate) use self::brokers::memory;
pub use self::handle::{
    Cluster, ClusterChange, ClusterChanges, ClusterNode, ClusterState, ClusterStats, NodeId,
};
#[cfg(all(fuzzing, feature = "testing"))]
pub(crate) use self::wire::{Body as NodeBody, Frames, Message as NodeMessage, Start, start as read_start};
pub(super) use self::{
    asking::Sought,
    names::Channel,
    owned::{Owned, Reports},
    questions::{Answers, count, ids},
    watching::RemoteWatch,
};
use self::{
    beats::Beats,
    counters::Counters,
    incoming::Incoming,
    interest::{Confirmation, Interest},
    nodes::Nodes,
    outgoing::{Added, Queue},
    questions::Questions,
    watching::Watching,
    wire::{Beat, Message, Phase},
};
use super::{GroupKey, Live, NotSent, Reach, Remote};
use crate::{config, fixed, random, sync::Mutex, throttle::Throttle};

/// This node of the cluster. The hub's calls, the link and the workers share it.
#[derive(Debug)]
pub(super) struct ThisNode {
    /// Weak, because the registry owns the node.
    live: Weak<Live>,
    config: config::Cluster,
    connector: Connector,
    /// The id of this node. A copy of the registry's, because it is read for each message, and the
    /// goodbye may be sent after the registry was dropped.
    id: AtomicU32,
    /// A random number of this process.
    instance: u64,
    /// The number of the current link. It increases with each link.
    link: AtomicU32,
    state: watch::Sender<ClusterState>,
    /// `None` after the node has left, so that the streams of changes end.
    changes: Mutex<Option<broadcast::Sender<ClusterChange>>>,
    /// The time at which the last link that was up received its last heartbeat; `None` while the
    /// link is up.
    gap_since: Mutex<Option<Instant>>,
    beats: Beats,
    nodes: Nodes,
    /// The time at which all nodes are known that were alive before the link.
    nodes_known_at: Mutex<Instant>,
    outgoing: Queue,
    incoming: Incoming,
    interest: Arc<Interest>,
    watching: Watching,
    questions: Questions,
    /// The asks of other nodes that this node may serve at once.
    served_asks: Arc<Semaphore>,
    counters: Counters,
    malformed_warning: Throttle,
    refused_warning: Throttle,
    link_warning: Throttle,
    leaving: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl ThisNode {
    /// Joins the cluster: starts the link and the workers. It must be called on a runtime.
    pub(super) fn start(live: &Arc<Live>, config: config::Cluster, connector: Connector) -> Arc<Self> {
        let (incoming, receivers) = Incoming::new(config.queue);
        let interest = Arc::default();
        let (watching, rosters) = Watching::new(&interest);
        let node = Arc::new(Self {
            live: Arc::downgrade(live),
            outgoing: Queue::new(config.queue),
            config,
            connector,
            id: AtomicU32::new(live.node()),
            instance: random::number(),
            link: AtomicU32::new(0),
            state: watch::Sender::new(ClusterState::Joining),
            changes: Mutex::new(Some(handle::changes())),
            gap_since: Mutex::default(),
            beats: Beats::new(),
            nodes: Nodes::default(),
            nodes_known_at: Mutex::new(Instant::now()),
            incoming,
            interest,
            watching,
            questions: Questions::default(),
            served_asks: Arc::new(Semaphore::new(fixed::OPEN_QUESTIONS)),
            counters: Counters::default(),
            malformed_warning: Throttle::default(),
            refused_warning: Throttle::default(),
            link_warning: Throttle::default(),
            leaving: CancellationToken::new(),
            task: Mutex::default(),
        });
        node.spawn_workers(receivers);
        tokio::spawn(Arc::clone(&node).follow_watches());
        tokio::spawn(Arc::clone(&node).send_rosters(rosters));
        *node.task.lock() = Some(tokio::spawn(link::run(Arc::clone(&node))));
        node
    }

    /// Queues a message for the other nodes.
    pub(super) fn publish(&self, channel: &Channel, message: &Message) -> Remote {
        self.add(channel, message, None).map_or_else(Remote::NotSent, |()| Remote::Queued)
    }

    /// Queues a message for the other nodes, and waits until the broker has accepted it.
    pub(super) async fn publish_accepted(&self, channel: &Channel, message: &Message) -> Remote {
        let (done, outcome) = oneshot::channel();
        match self.add(channel, message, Some(done)) {
            // Without an outcome the node has left the cluster.
            Ok(()) => outcome.await.unwrap_or(Remote::Unknown),
            Err(not_sent) => Remote::NotSent(not_sent),
        }
    }

    fn add(
        &self,
        channel: &Channel,
        message: &Message,
        done: Option<oneshot::Sender<Remote>>,
    ) -> Result<(), NotSent> {
        let most = self.config.message.saturating_add(fixed::CLUSTER_HEAD_BYTES);
        let added = if message.size() > most || message.except.len() > wire::MOST_EXCEPTED {
            Err(NotSent::TooLarge)
        } else {
            self.outgoing.add(Added { channel: self.full_name(channel), message, node: self.id(), done })
        };
        match added {
            Ok(()) => self.counters.published.add(1),
            Err(_) => self.counters.dropped.add(1),
        }
        added
    }

    /// Waits until the broker has confirmed the subscription of a group with a member on this node.
    pub(super) async fn confirmed(&self, key: &GroupKey) -> Reach {
        let confirmed = match self.interest.confirmation(key) {
            Confirmation::Confirmed => return Reach::Cluster,
            Confirmation::NotWanted => return Reach::Local,
            Confirmation::Waits(confirmed) => confirmed,
        };
        let is_away = match self.state() {
            ClusterState::Up => false,
            ClusterState::Joining => self.outgoing.is_unreachable(),
            ClusterState::Down { .. } | ClusterState::Alone => true,
        };
        if is_away {
            return Reach::Local;
        }
        match timeout(fixed::CONFIRM_TIMEOUT, confirmed).await {
            Ok(Ok(())) => Reach::Cluster,
            Ok(Err(_)) | Err(_) => Reach::Local,
        }
    }

    /// Whether a node is known and alive.
    pub(super) fn is_alive(&self, node: u32) -> bool {
        self.nodes.is_alive(node)
    }

    /// The part of the cluster that the index of groups reports to.
    pub(super) fn reports(&self) -> &Arc<Reports> {
        &self.watching.reports
    }

    /// Waits until the link is up, or the node leaves the cluster.
    pub(super) async fn joined(&self) {
        // This fails only if the sender is dropped, and `self` owns it.
        let _ = self.state.subscribe().wait_for(|state| *state != ClusterState::Joining).await;
    }

    /// Leaves the cluster: sends what is queued and a goodbye, within a deadline.
    pub(super) async fn leave(&self) {
        self.leaving.cancel();
        let task = self.task.lock().take();
        if let Some(mut task) = task
            && timeout(fixed::FAREWELL_TIMEOUT * 2, &mut task).await.is_err()
        {
            task.abort();
        }
    }

    /// Records that this node has left the cluster: nothing is queued any more, and the calls that
    /// wait for the broker return.
    fn left(&self) {
        self.state.send_replace(ClusterState::Alone);
        for outgoing in self.outgoing.close() {
            self.counters.dropped.add(1);
            outgoing.settle(Remote::NotSent(NotSent::Unreachable));
        }
        self.changes.lock().take();
        self.end_watches();
    }

    /// Leaves the cluster in the background.
    pub(super) fn leave_soon(&self) {
        self.leaving.cancel();
    }

    fn state(&self) -> ClusterState {
        *self.state.borrow()
    }

    fn stats(&self) -> ClusterStats {
        ClusterStats::of(&self.counters, self.interest.len() + self.watching.channels.len())
    }

    fn changes(&self) -> Option<broadcast::Receiver<ClusterChange>> {
        self.changes.lock().as_ref().map(broadcast::Sender::subscribe)
    }

    /// The nodes that are alive, this one first.
    fn nodes(&self, connections: u64) -> Vec<ClusterNode> {
        let beat = Beat {
            phase: Phase::Alive,
            link: self.link(),
            node: self.id(),
            sequence: 0,
            instance: self.instance,
            oldest: wire::OLDEST_VERSION,
            newest: wire::VERSION,
            connections,
            name: self.name(),
        };
        let mut nodes = vec![ClusterNode::new(&beat, Duration::ZERO)];
        nodes.append(&mut self.nodes.alive());
        nodes
    }

    fn live(&self) -> Option<Arc<Live>> {
        self.live.upgrade()
    }

    fn id(&self) -> u32 {
        self.id.load(Ordering::Acquire)
    }

    fn name(&self) -> String {
        self.config.name.clone().unwrap_or_else(|| NodeId(self.id()).to_string())
    }

    fn controllers(&self) -> Vec<&'static str> {
        self.live().map(|live| live.names().all()).unwrap_or_default()
    }

    fn full_name(&self, channel: &Channel) -> String {
        channel.full_name(&self.config.prefix)
    }

    async fn leaving(&self) {
        self.leaving.cancelled().await;
    }

    fn link(&self) -> u32 {
        self.link.load(Ordering::Acquire)
    }

    fn is_current(&self, link: u32) -> bool {
        self.link() == link
    }

    /// Begins a link and returns its number.
    fn next_link(&self) -> u32 {
        self.link.fetch_add(1, Ordering::AcqRel) + 1
    }
}
