//! [`Live`]: the registry of this node's open connections, and the tracker of the tasks that serve
//! them.
//!
//! The server adds a connection with [`Live::enter`] before its session starts, and the returned
//! [`Entry`] removes it on drop. The registry is split into independently locked shards; no lock
//! may be held across an await or during a delivery.

use std::sync::{
    Arc, MutexGuard, OnceLock,
    atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

use tokio::{task::AbortHandle, time::Instant};
use tokio_util::task::TaskTracker;

use super::{
    claims::Claims,
    cluster::{Connector, ThisNode},
    connections::{Connections, Recipient},
    groups::Groups,
    journal::Journal,
    names::Names,
    shards::{SHARDS, Shards},
    undeclared::Undeclared,
    wheel::Wheels,
};
use crate::{
    config,
    connection::Connection,
    fixed, random,
    wire::{ConnectionId, Ending},
};

/// The connections of each controller by its name. An application has few controllers.
type Shard = Vec<(&'static str, Connections)>;

/// All connections of one node, from before their `on_open` until after their `on_close`.
#[derive(Debug)]
pub(crate) struct Live {
    /// The node part of connection ids.
    node: AtomicU32,
    next_sequence: AtomicU64,
    names: Names,
    shards: Shards<Shard>,
    groups: Groups,
    undeclared: Undeclared,
    journal: Journal,
    wheels: Wheels,
    claims: Claims,
    /// The other nodes. Set before the first connection; empty without a cluster.
    cluster: OnceLock<Arc<ThisNode>>,
    tasks: TaskTracker,
    clean: AtomicUsize,
    lost: AtomicUsize,
    cut: AtomicUsize,
}

/// The position of a walk over the registry.
#[derive(Debug, Default)]
pub(crate) struct Place {
    shard: usize,
    /// The index of the controller in the shard. It is stable, because a controller is not removed
    /// with its last connection.
    controller: usize,
    /// The sequence number of the last connection that was taken.
    pub(crate) after: u64,
}

/// The numbers of ended connections, by the way in which they ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    pub(crate) clean: usize,
    pub(crate) lost: usize,
    pub(crate) cut: usize,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            node: AtomicU32::new(random::number() as u32),
            next_sequence: AtomicU64::new(1),
            names: Names::default(),
            shards: Shards::default(),
            groups: Groups::default(),
            undeclared: Undeclared::default(),
            journal: Journal::default(),
            wheels: Wheels::default(),
            claims: Claims::default(),
            cluster: OnceLock::new(),
            tasks: TaskTracker::default(),
            clean: AtomicUsize::default(),
            lost: AtomicUsize::default(),
            cut: AtomicUsize::default(),
        }
    }
}

impl Live {
    /// Returns a connection id that was never used.
    pub(crate) fn next_id(&self) -> ConnectionId {
        self.own_id(self.next_sequence.fetch_add(1, Ordering::AcqRel))
    }

    /// Returns the id of a connection of this node with this number.
    pub(super) fn own_id(&self, sequence: u64) -> ConnectionId {
        ConnectionId::new(self.node(), sequence)
    }

    /// The node part of connection ids.
    pub(super) fn node(&self) -> u32 {
        self.node.load(Ordering::Acquire)
    }

    /// Draws another node part and returns it. Returns `None` if the present one is in use, because
    /// there was a connection.
    pub(super) fn draw_node(&self) -> Option<u32> {
        let is_unused = self.next_sequence.load(Ordering::Acquire) == 1;
        is_unused.then(|| {
            let node = random::number() as u32;
            self.node.store(node, Ordering::Release);
            node
        })
    }

    /// Joins a cluster. It must be called on a runtime, before the first connection, and once.
    pub(crate) fn join_cluster(self: &Arc<Self>, config: config::Cluster, connector: Connector) {
        let node = ThisNode::start(self, config, connector);
        self.groups.report_to(Arc::clone(node.reports()));
        let _ = self.cluster.set(node);
    }

    /// The other nodes; `None` without a cluster.
    pub(super) fn cluster(&self) -> Option<&Arc<ThisNode>> {
        self.cluster.get()
    }

    /// Waits until the broker was reached for the first time. Without a cluster it returns at once.
    pub(crate) async fn cluster_joined(&self) {
        if let Some(node) = self.cluster() {
            node.joined().await;
        }
    }

    /// Leaves the cluster, after all connections have ended.
    pub(crate) async fn leave_cluster(&self) {
        if let Some(node) = self.cluster() {
            node.leave().await;
        }
    }

    /// Leaves the cluster in the background.
    pub(crate) fn leave_cluster_soon(&self) {
        if let Some(node) = self.cluster() {
            node.leave_soon();
        }
    }

    /// The names of the controllers.
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// Adds a connection. It is removed when the entry is dropped.
    pub(crate) fn enter(self: &Arc<Self>, connection: Connection) -> Entry {
        let controller = connection.controller();
        let mut shard = self.shard(connection.id());
        if !shard.iter().any(|(of, _)| *of == controller) {
            shard.push((controller, Connections::default()));
        }
        if let Some((_, connections)) = shard.iter_mut().find(|(of, _)| *of == controller) {
            connections.insert(&connection);
        }
        drop(shard);
        self.journal.opened(&connection);
        connection.counters().opened();
        Entry { live: Arc::clone(self), connection, ending: Ending::default() }
    }

    pub(crate) fn get(&self, id: ConnectionId) -> Option<Connection> {
        self.shard(id).iter().find_map(|(_, connections)| connections.get(id).cloned())
    }

    /// Returns the connection with an id of this node.
    pub(super) fn of_sequence(&self, sequence: u64) -> Option<Connection> {
        let shard = self.shards.lock(sequence as usize);
        shard.iter().find_map(|(_, connections)| connections.of_sequence(sequence).cloned())
    }

    /// Sets the time at which the session of a connection is woken to check its timers. It runs on
    /// the current runtime.
    pub(crate) fn set_alarm(self: &Arc<Self>, connection: &Connection, at: Instant) {
        self.wheels.set(self, connection, at);
    }

    pub(super) fn wheels(&self) -> &Wheels {
        &self.wheels
    }

    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// The claims of exclusive users.
    pub(super) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The events that were emitted and not declared.
    pub(crate) fn undeclared(&self) -> &Undeclared {
        &self.undeclared
    }

    /// The connections that were recently opened, closed and refused.
    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The number of connections.
    pub(crate) fn len(&self) -> usize {
        self.shards.sum(|shard| shard.iter().map(|(_, connections)| connections.len()).sum())
    }

    /// The number of connections of a controller.
    pub(crate) fn len_of(&self, controller: &'static str) -> usize {
        let len =
            |(of, connections): &(&str, Connections)| if *of == controller { connections.len() } else { 0 };
        self.shards.sum(|shard| shard.iter().map(len).sum())
    }

    /// The numbers of connections that have ended since the start.
    pub(crate) fn gone(&self) -> Gone {
        let [clean, lost, cut] = [&self.clean, &self.lost, &self.cut].map(|it| it.load(Ordering::Relaxed));
        Gone { clean, lost, cut }
    }

    /// Returns all connections that exist now.
    pub(crate) fn all(&self) -> Vec<Connection> {
        let (mut place, mut all, mut turn) = (Place::default(), Vec::new(), Vec::new());
        loop {
            self.take(None, &mut place, &mut turn);
            if turn.is_empty() {
                return all;
            }
            all.extend(turn.drain(..).map(|recipient| recipient.connection));
        }
    }

    /// Appends the next turn ([`Connections::take`]) of all connections, or of a controller's
    /// connections.
    pub(crate) fn take(
        &self,
        controller: Option<&'static str>,
        place: &mut Place,
        turn: &mut Vec<Recipient>,
    ) {
        while place.shard < SHARDS {
            for (of, connections) in self.shards.lock(place.shard).iter().skip(place.controller) {
                if controller.is_none_or(|controller| controller == *of) {
                    connections.take(&mut place.after, turn);
                }
                if turn.len() >= fixed::MEMBERS_A_TURN {
                    return;
                }
                (place.controller, place.after) = (place.controller + 1, 0);
            }
            *place = Place { shard: place.shard + 1, ..Place::default() };
        }
    }

    /// Spawns a task for which the shutdown waits.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.tasks.spawn(task).abort_handle()
    }

    /// Waits until all tasks have ended.
    pub(crate) async fn wait(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn shard(&self, id: ConnectionId) -> MutexGuard<'_, Shard> {
        self.shards.lock(id.sequence() as usize)
    }
}

/// The registration of a connection in [`Live`]. On drop, the connection leaves its rooms and is
/// then removed from the registry.
#[derive(Debug)]
pub(crate) struct Entry {
    live: Arc<Live>,
    connection: Connection,
    ending: Ending,
}

impl Entry {
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Records how the connection ended. Without a call it counts as lost.
    pub(crate) fn ended(&mut self, ending: Ending) {
        self.ending = ending;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.connection.membership().end(&self.live.groups, &self.connection);
        for (_, connections) in &mut *self.live.shard(self.connection.id()) {
            connections.remove(&self.connection);
        }
        self.connection.context().clear();
        self.connection.counters().left();
        let gone = match self.ending {
            Ending::Clean => &self.live.clean,
            Ending::Lost => &self.live.lost,
            Ending::Cut => &self.live.cut,
        };
        gone.fetch_add(1, Ordering::Relaxed);
    }
}
