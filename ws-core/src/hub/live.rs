//! The living connections, and the tasks that serve them.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio_util::task::TaskTracker;

use super::groups::Groups;
use crate::connection::{Connection, ConnectionId, Ending};

/// Locks are spread over so many parts, so that connections come and go without waiting for one another.
const SHARDS: usize = 16;

type Shard = Mutex<HashMap<ConnectionId, Connection>>;

/// Every connection from before its `on_open` until after its `on_close`.
#[derive(Debug, Default)]
pub(crate) struct Live {
    shards: [Shard; SHARDS],
    hasher: RandomState,
    groups: Groups,
    tasks: TaskTracker,
    clean: AtomicUsize,
    lost: AtomicUsize,
    cut: AtomicUsize,
}

/// How many connections are gone, by how they went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    pub(crate) clean: usize,
    pub(crate) lost: usize,
    pub(crate) cut: usize,
}

impl Live {
    /// Adds a connection for as long as the entry lives.
    pub(crate) fn enter(self: &Arc<Self>, connection: Connection) -> Entry {
        lock(self.shard(connection.id())).insert(connection.id(), connection.clone());
        Entry { live: Arc::clone(self), connection, ending: Ending::default() }
    }

    pub(crate) fn get(&self, id: ConnectionId) -> Option<Connection> {
        lock(self.shard(id)).get(&id).cloned()
    }

    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Those that are gone, since the beginning.
    pub(crate) fn gone(&self) -> Gone {
        let [clean, lost, cut] = [&self.clean, &self.lost, &self.cut].map(|it| it.load(Ordering::Relaxed));
        Gone { clean, lost, cut }
    }

    /// All that are there now.
    pub(crate) fn all(&self) -> Vec<Connection> {
        self.shards.iter().flat_map(|shard| lock(shard).values().cloned().collect::<Vec<_>>()).collect()
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

    fn shard(&self, id: ConnectionId) -> &Shard {
        let [first, ..] = &self.shards;
        self.shards.get(self.hasher.hash_one(id) as usize % SHARDS).unwrap_or(first)
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
        lock(self.live.shard(self.connection.id())).remove(&self.connection.id());
        let gone = match self.ending {
            Ending::Clean => &self.live.clean,
            Ending::Lost => &self.live.lost,
            Ending::Cut => &self.live.cut,
        };
        gone.fetch_add(1, Ordering::Relaxed);
    }
}

fn lock(shard: &Shard) -> MutexGuard<'_, HashMap<ConnectionId, Connection>> {
    // A map is whole between two calls.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
