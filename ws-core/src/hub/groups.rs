//! [`Groups`]: the index from rooms and users to their members and watchers.
//!
//! The index is split into independently locked shards. A lock is held for one map operation, for
//! the copy of one turn's members, or for the copy of the ids with which a watch begins. It must
//! never be held across an await or during a delivery. The reverse index, from a connection to its
//! groups, is [`Membership`](super::membership::Membership); its lock comes before these.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, MutexGuard, OnceLock},
};

use tokio::sync::broadcast;

use super::{cluster::Interest, connections::Connections, shards::Shards};
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
    /// The number of members after the change.
    pub(crate) members: usize,
}

#[derive(Debug, Default)]
struct Group {
    members: Connections,
    watchers: Option<broadcast::Sender<Change>>,
}

impl Group {
    fn notify(&self, id: ConnectionId, joined: bool) {
        if let Some(watchers) = &self.watchers {
            // Fails if there is no watcher any more, which is not an error.
            let _ = watchers.send(Change { id, joined, members: self.members.len() });
        }
    }

    fn is_unused(&self) -> bool {
        self.members.is_empty() && self.watchers.as_ref().is_none_or(|it| it.receiver_count() == 0)
    }
}

type Shard = HashMap<GroupKey, Group>;

/// All groups that have a member or a watcher.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    shards: Shards<Shard>,
    hasher: RandomState,
    /// Informed of the first and the last member of each group. Empty without a cluster. Its lock
    /// comes after those of the shards.
    interest: OnceLock<Arc<Interest>>,
}

impl Groups {
    /// Reports the first and the last member of each group from now on.
    pub(super) fn report_to(&self, interest: Arc<Interest>) {
        let _ = self.interest.set(interest);
    }

    /// Adds a member. Returns the key of the group itself: all members of one group share the
    /// allocation of its name.
    pub(crate) fn join(&self, key: GroupKey, connection: &Connection) -> GroupKey {
        let mut shard = self.lock(&key);
        let key = match shard.get_key_value(&key) {
            Some((own, _)) => own.clone(),
            None => key,
        };
        let group = shard.entry(key.clone()).or_default();
        if group.members.insert(connection) {
            group.notify(connection.id(), true);
            if group.members.len() == 1
                && let Some(interest) = self.interest.get()
            {
                interest.want(&key);
            }
        }
        key
    }

    /// Removes a member. A group without members and watchers is removed as well.
    pub(crate) fn leave(&self, key: &GroupKey, connection: &Connection) {
        let mut shard = self.lock(key);
        let Some(group) = shard.get_mut(key) else { return };
        if group.members.remove(connection) {
            group.notify(connection.id(), false);
            if group.members.is_empty()
                && let Some(interest) = self.interest.get()
            {
                interest.unwant(key);
            }
        }
        if group.is_unused() {
            shard.remove(key);
        }
    }

    /// Appends the next turn of members ([`Connections::take`]), and returns the name allocation of
    /// the group.
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

    /// Returns the present members, and a receiver of every change from now on.
    pub(crate) fn watch(&self, key: GroupKey) -> (Vec<ConnectionId>, broadcast::Receiver<Change>) {
        let mut shard = self.lock(&key);
        let group = shard.entry(key).or_default();
        let watchers = group.watchers.get_or_insert_with(|| broadcast::Sender::new(fixed::WATCHED_CHANGES));
        let changes = watchers.subscribe();
        (group.members.ids(), changes)
    }

    /// Removes the channel of the watchers after the last one was dropped. A group without members
    /// is removed as well.
    pub(crate) fn forget_watcher(&self, key: &GroupKey) {
        let mut shard = self.lock(key);
        let Some(group) = shard.get_mut(key) else { return };
        if group.watchers.as_ref().is_some_and(|it| it.receiver_count() == 0) {
            group.watchers = None;
        }
        if group.is_unused() {
            shard.remove(key);
        }
    }

    /// The number of groups.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.shards.sum(HashMap::len)
    }

    fn lock(&self, key: &GroupKey) -> MutexGuard<'_, Shard> {
        self.shards.lock(self.hasher.hash_one(key) as usize)
    }
}
