//! The living connections, and the tasks that serve them.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::{
        Arc, MutexGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio_util::task::TaskTracker;

use super::{
    connections::Connections,
    groups::Groups,
    names::Names,
    shards::{SHARDS, Shards},
};
use crate::{
    connection::Connection,
    fixed,
    wire::{ConnectionId, Ending},
};

/// The connections of each controller by its name. An application has few controllers.
type Shard = Vec<(&'static str, Connections)>;

/// Every connection of one node, from before its `on_open` until after its `on_close`.
#[derive(Debug)]
pub(crate) struct Live {
    /// The node's part of connection ids.
    node: u32,
    next_sequence: AtomicU64,
    names: Names,
    shards: Shards<Shard>,
    groups: Groups,
    tasks: TaskTracker,
    clean: AtomicUsize,
    lost: AtomicUsize,
    cut: AtomicUsize,
}

/// How far a walk has come.
#[derive(Debug, Default)]
pub(crate) struct Place {
    shard: usize,
    /// Which of the shard's controllers. A controller keeps its place: it is not taken out with its last connection.
    controller: usize,
    /// The number of the last connection that was taken.
    pub(crate) after: u64,
}

/// How many connections are gone, by how they went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    pub(crate) clean: usize,
    pub(crate) lost: usize,
    pub(crate) cut: usize,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            node: RandomState::new().build_hasher().finish() as u32,
            next_sequence: AtomicU64::new(1),
            names: Names::default(),
            shards: Shards::default(),
            groups: Groups::default(),
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
        ConnectionId::new(self.node, self.next_sequence.fetch_add(1, Ordering::Relaxed))
    }

    /// The names of the controllers.
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// Adds a connection for as long as the entry lives.
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
        Entry { live: Arc::clone(self), connection, ending: Ending::default() }
    }

    pub(crate) fn get(&self, id: ConnectionId) -> Option<Connection> {
        self.shard(id).iter().find_map(|(_, connections)| connections.get(id).cloned())
    }

    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.shards.sum(|shard| shard.iter().map(|(_, connections)| connections.len()).sum())
    }

    /// How many of them are a controller's.
    pub(crate) fn len_of(&self, controller: &'static str) -> usize {
        let len =
            |(of, connections): &(&str, Connections)| if *of == controller { connections.len() } else { 0 };
        self.shards.sum(|shard| shard.iter().map(len).sum())
    }

    /// Those that are gone, since the beginning.
    pub(crate) fn gone(&self) -> Gone {
        let [clean, lost, cut] = [&self.clean, &self.lost, &self.cut].map(|it| it.load(Ordering::Relaxed));
        Gone { clean, lost, cut }
    }

    /// All that are there now.
    pub(crate) fn all(&self) -> Vec<Connection> {
        let (mut place, mut all, mut turn) = (Place::default(), Vec::new(), Vec::new());
        loop {
            self.take(None, &mut place, &mut turn);
            if turn.is_empty() {
                return all;
            }
            all.append(&mut turn);
        }
    }

    /// The next turn ([`Connections::take`]) of all, or of a controller's.
    pub(crate) fn take(
        &self,
        controller: Option<&'static str>,
        place: &mut Place,
        turn: &mut Vec<Connection>,
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

    /// Spawns a task that stopping waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Waits until no task is left.
    pub(crate) async fn wait(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn shard(&self, id: ConnectionId) -> MutexGuard<'_, Shard> {
        self.shards.lock(id.sequence() as usize)
    }
}

/// A connection's place among the living; dropping it takes the connection out, and out of its rooms first.
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

    /// Says how the connection went; unless it is said, it was lost.
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
        let gone = match self.ending {
            Ending::Clean => &self.live.clean,
            Ending::Lost => &self.live.lost,
            Ending::Cut => &self.live.cut,
        };
        gone.fetch_add(1, Ordering::Relaxed);
    }
}
