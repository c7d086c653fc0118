//! Rooms and users: named groups of connections, and who watches them.
//!
//! An index from name to members, spread over locks that are held for a map operation, a copy of one turn's members or of
//! the ids that a watch begins with, never across an await and never while something is delivered. What a connection is in
//! is known to the connection itself ([`Membership`](super::membership::Membership)); its lock comes before these.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, MutexGuard},
};

use tokio::sync::broadcast;

use super::{connections::Connections, shards::Shards};
use crate::{connection::Connection, fixed, wire::ConnectionId};

/// The key of a group: the same in every build and on every node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum GroupKey {
    /// A room of the controller of this name.
    Room(&'static str, Arc<str>),
    /// The connections of a user.
    User(Arc<str>),
}

impl GroupKey {
    pub(crate) fn name(&self) -> &Arc<str> {
        match self {
            Self::Room(_, name) | Self::User(name) => name,
        }
    }
}

/// A change in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) id: ConnectionId,
    pub(crate) joined: bool,
    /// How many there are now.
    pub(crate) members: usize,
}

#[derive(Debug, Default)]
struct Group {
    members: Connections,
    watchers: Option<broadcast::Sender<Change>>,
}

impl Group {
    fn tell(&self, id: ConnectionId, joined: bool) {
        if let Some(watchers) = &self.watchers {
            // Nobody watches any more: that is no fault.
            let _ = watchers.send(Change { id, joined, members: self.members.len() });
        }
    }

    fn is_of_no_use(&self) -> bool {
        self.members.is_empty() && self.watchers.as_ref().is_none_or(|it| it.receiver_count() == 0)
    }
}

type Shard = HashMap<GroupKey, Group>;

/// All groups that have a member or a watcher.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    shards: Shards<Shard>,
    hasher: RandomState,
}

impl Groups {
    /// Adds a member. The returned key is the group's own: as long as the group lives, all its members hold the same name.
    pub(crate) fn join(&self, key: GroupKey, connection: &Connection) -> GroupKey {
        let mut shard = self.lock(&key);
        let key = match shard.get_key_value(&key) {
            Some((own, _)) => own.clone(),
            None => key,
        };
        let group = shard.entry(key.clone()).or_default();
        if group.members.insert(connection) {
            group.tell(connection.id(), true);
        }
        key
    }

    /// Takes a member out; the group goes with its last member.
    pub(crate) fn leave(&self, key: &GroupKey, connection: &Connection) {
        let mut shard = self.lock(key);
        let Some(group) = shard.get_mut(key) else { return };
        if group.members.remove(connection) {
            group.tell(connection.id(), false);
        }
        if group.is_of_no_use() {
            shard.remove(key);
        }
    }

    /// The next turn of its members ([`Connections::take`]), and the group's own name.
    pub(crate) fn take(
        &self,
        key: &GroupKey,
        after: &mut u64,
        turn: &mut Vec<Connection>,
    ) -> Option<Arc<str>> {
        let shard = self.lock(key);
        let (own, group) = shard.get_key_value(key)?;
        group.members.take(after, turn);
        Some(Arc::clone(own.name()))
    }

    pub(crate) fn count(&self, key: &GroupKey) -> usize {
        self.lock(key).get(key).map_or(0, |group| group.members.len())
    }

    /// Who is there now, and every change from now on.
    pub(crate) fn watch(&self, key: GroupKey) -> (Vec<ConnectionId>, broadcast::Receiver<Change>) {
        let mut shard = self.lock(&key);
        let group = shard.entry(key).or_default();
        let watchers = group.watchers.get_or_insert_with(|| broadcast::Sender::new(fixed::WATCHED_CHANGES));
        let changes = watchers.subscribe();
        (group.members.ids(), changes)
    }

    /// A watcher is gone; a group without members goes with its last one.
    pub(crate) fn forget_watcher(&self, key: &GroupKey) {
        let mut shard = self.lock(key);
        let Some(group) = shard.get_mut(key) else { return };
        if group.watchers.as_ref().is_some_and(|it| it.receiver_count() == 0) {
            group.watchers = None;
        }
        if group.is_of_no_use() {
            shard.remove(key);
        }
    }

    /// How many groups there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.shards.sum(HashMap::len)
    }

    fn lock(&self, key: &GroupKey) -> MutexGuard<'_, Shard> {
        self.shards.lock(self.hasher.hash_one(key) as usize)
    }
}
