//! The cluster: what this node sends to and receives from the other nodes of the application.
//!
//! A hub call that acts delivers to the members on this node first, and then queues the message for
//! the broker ([`ThisNode::publish`]); it never waits for the broker and never fails with it. The
//! [link](link) publishes the queue and keeps one connection to the broker; received messages go
//! through [`incoming`] to the members. A node subscribes the channels of its groups
//! ([`interest`]), so it receives only what it has members for.
//!
//! Every queue has a limit, every wait a deadline, and every lost message is a result, a counter or
//! a change. Bytes from the broker are untrusted: [`wire`] checks them. Without `[cluster]` there is
//! no [`ThisNode`] and no task of this module.

mod agenda;
mod asking;
mod beats;
mod brokers;
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
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{Semaphore, broadcast, oneshot, watch},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
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
use self::{
    agenda::Due,
    beats::Beats,
    counters::Counters,
    incoming::Incoming,
    interest::{Confirmation, Interest},
    link::Ended,
    nodes::{Heard, Nodes},
    outgoing::{Added, Queue},
    questions::{Collected, Questions},
    watching::Watching,
    wire::{About, Beat, Body, Found, Message, Phase, Question},
};
pub(super) use self::{
    asking::Sought,
    names::Channel,
    owned::{Owned, Reports},
    questions::Answers,
    watching::RemoteWatch,
};
use super::{GroupKey, Live, NotSent, Reach, Remote};
use crate::{
    config::{self, OnGap},
    connection::Stop,
    fixed, random,
    sync::Mutex,
    throttle::Throttle,
    wire::{CloseFrame, CloseReason, ConnectionId},
};

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
    /// The time at which the nodes that were there before the link are known.
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

    /// Asks the other nodes about the members of a target, and waits for their results for at most
    /// a second.
    pub(super) async fn ask(
        &self,
        target: &Channel,
        connection: Option<u64>,
        at: Option<Bytes>,
        except: Vec<ConnectionId>,
        about: About,
    ) -> Answers {
        let mut missing = self.nodes.names();
        let mut known_at = *self.nodes_known_at.lock();
        let to = match *target {
            Channel::Node(node) => {
                missing.retain(|id, _| *id == node);
                known_at = Instant::now();
                Channel::Node(node)
            }
            _ => Channel::Nodes,
        };
        let mut collected = Collected::of(missing);
        if self.state() == ClusterState::Up
            && (!collected.is_complete() || Instant::now() < known_at)
            && let Some(mut open) = self.questions.open()
        {
            let question = Question { id: open.id, about, channel: target.name().into() };
            let message = Message { except, connection, at, ..Message::new(Body::Question(question)) };
            if let Remote::Queued = self.publish(&to, &message) {
                let collect = async {
                    // Soon after the start, nodes that are not known yet answer as well.
                    while !collected.is_complete() || Instant::now() < known_at {
                        tokio::select! {
                            Some(received) = open.received.recv() => collected.add(received),
                            () = sleep_until(known_at), if collected.is_complete() => {}
                            else => break,
                        }
                    }
                };
                // At the deadline, the nodes without a complete result are missing.
                let _ = timeout(fixed::QUESTION_TIMEOUT, collect).await;
            }
        }
        collected.answers()
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
        ClusterStats::of(&self.counters, self.interest.len() + self.watching.heard.len())
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

    /// Records that the link is up.
    fn link_is_up(self: &Arc<Self>) {
        self.nodes.excuse_silence();
        *self.nodes_known_at.lock() = Instant::now() + fixed::NODES_KNOWN;
        self.outgoing.connected();
        self.state.send_replace(ClusterState::Up);
        self.watches_due(Due::Up);
        let gap = self.gap_since.lock().take().map(|since| since.elapsed());
        tracing::info!(node = %NodeId(self.id()), name = self.name(), broker = %self.config.url, "the cluster is joined");
        self.announce(ClusterChange::Up);
        tokio::spawn(claiming::announce_claims(Arc::downgrade(self), Weak::clone(&self.live)));
        if let Some(at_most) = gap {
            self.counters.reconnects.add(1);
            tracing::warn!(?at_most, "messages of other nodes were missed while the broker was away");
            self.announce(ClusterChange::Gap { at_most });
            if self.config.on_gap == OnGap::Close {
                tokio::spawn(close_members(Weak::clone(&self.live)));
            }
        }
    }

    /// Records that the link has ended. Returns whether it was up.
    fn link_ended(&self, why: &Ended) -> bool {
        let was_up = self.state() == ClusterState::Up;
        if was_up {
            *self.gap_since.lock() = Some(self.beats.last_echo());
            self.outgoing.disconnected();
            self.state.send_replace(ClusterState::Down { since: Instant::now() });
            self.announce(ClusterChange::Down);
        }
        if let Some(skipped) = self.link_warning.due().or(was_up.then_some(0)) {
            tracing::warn!(broker = %self.config.url, skipped, "no link to the other nodes: {why}");
        }
        self.interest.restart();
        self.watches_lost_link();
        was_up
    }

    /// Records a heartbeat.
    fn hear(&self, beat: Beat) {
        if beat.node == self.id() {
            if beat.instance != self.instance {
                self.id_is_taken(beat);
            } else if self.is_current(beat.link)
                && let Some(delay) = self.beats.echo(beat.sequence)
            {
                self.counters.worst_echo_micros.at_least(delay.as_micros() as u64);
            }
            return;
        }
        if beat.phase == Phase::Hello {
            self.beats.want();
        }
        let heard =
            if beat.phase == Phase::Goodbye { self.nodes.left(&beat) } else { self.nodes.heard(beat) };
        match heard {
            Heard::Nothing => {}
            Heard::Joined { id, name } => {
                tracing::info!(node = %NodeId(id), name, "a node has joined the cluster");
                self.watches_due(Due::Joined(id));
                self.announce(ClusterChange::NodeJoined { id: NodeId(id), name });
            }
            Heard::Left { id, name } => self.node_left(id, name, false),
            Heard::Incompatible { id, name } => {
                tracing::error!(node = %NodeId(id), name, "a node speaks none of the versions of this node");
                self.announce(ClusterChange::Incompatible { id: NodeId(id), name });
            }
        }
    }

    /// Another process has the same id. It is drawn anew, which is possible before the first
    /// connection.
    #[cold]
    fn id_is_taken(&self, other: Beat) {
        if let Some(id) = self.live().and_then(|live| live.draw_node()) {
            self.id.store(id, Ordering::Release);
            self.beats.take_id();
        } else if let Some(skipped) = self.malformed_warning.due() {
            let (id, name) = (NodeId(other.node), other.name);
            tracing::error!(%id, name, skipped, "another node has the id of this node; restart one of them");
            self.announce(ClusterChange::Incompatible { id, name });
        }
    }

    /// Removes the nodes that are silent for too long. While there is no link, silence means
    /// nothing.
    fn expire_nodes(&self) {
        if self.state() == ClusterState::Up {
            for (id, name) in self.nodes.expire(self.config.node_timeout) {
                self.node_left(id, name, true);
            }
        }
    }

    fn node_left(&self, id: u32, name: String, died: bool) {
        tracing::info!(node = %NodeId(id), name, died, "a node has left the cluster");
        self.watches_due(Due::Left(id));
        self.announce(ClusterChange::NodeLeft { id: NodeId(id), name, died });
    }

    /// Records that the broker has refused a message without saying which one, so it was counted as
    /// accepted.
    #[cfg(feature = "nats")]
    fn refused_unknown(&self, error: &str) {
        self.counters.refused.add(1);
        self.refused(error);
    }

    #[cold]
    fn refused(&self, error: &str) {
        if let Some(skipped) = self.refused_warning.due() {
            tracing::error!(skipped, "the broker refused a message: {error}");
        }
    }

    fn announce(&self, change: ClusterChange) {
        if let Some(changes) = &*self.changes.lock() {
            // Fails if there is no stream of the changes.
            let _ = changes.send(change);
        }
    }
}

/// Closes each connection that is in a room or has a user with 1012, in turns, so that their clients
/// do not all connect again at the same time.
async fn close_members(live: Weak<Live>) {
    let Some(all) = live.upgrade().map(|live| live.all()) else { return };
    for turn in all.chunks(fixed::MEMBERS_A_TURN) {
        for connection in turn.iter().filter(|connection| connection.membership().is_joined()) {
            let frame = CloseFrame::new(1012, "messages may be missing");
            let reason = CloseReason::Local { code: frame.code, reason: frame.reason.clone() };
            // Fails if the connection is closing anyway.
            let _ = connection.outbox().stop(Stop::Close { frame, reason });
        }
        sleep(random::jitter(fixed::GAP_PAUSE, 50)).await;
    }
}

/// Adds the counts of a result.
pub(super) fn count(answers: &Answers) -> usize {
    let counts = answers.found.iter().filter_map(|(_, found)| match found {
        Found::Count(count) => Some(*count),
        Found::Ids(_) | Found::Answer(_) => None,
    });
    usize::try_from(counts.fold(0, u64::saturating_add)).unwrap_or(usize::MAX)
}

/// Collects the ids of a result.
pub(super) fn ids(answers: Answers) -> Vec<ConnectionId> {
    let mut by_node: HashMap<u32, Vec<u64>> = HashMap::new();
    for (node, found) in answers.found {
        if let Found::Ids(numbers) = found {
            by_node.entry(node).or_default().extend(numbers);
        }
    }
    let ids =
        |(node, numbers): (u32, Vec<u64>)| numbers.into_iter().map(move |it| ConnectionId::new(node, it));
    by_node.into_iter().flat_map(ids).collect()
}
