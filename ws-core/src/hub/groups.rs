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

use bytes::Bytes;
use tokio::sync::broadcast;

use super::{
    cluster::{Owned, Reports, wire::Changes},
    connections::{Connections, Recipient},
    shards::Shards,
};
use crate::{connection::Connection, fixed, wire::ConnectionId};

/// A name that no controller can have.
const NO_CONTROLLER: &str = "\0";

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

    /// The key of a room of a controller without a route, which has no members.
    pub(crate) fn of_no_controller(name: &Arc<str>) -> Self {
        Self::Room(NO_CONTROLLER, Arc::clone(name))
    }

    pub(crate) fn is_of_no_controller(&self) -> bool {
        matches!(self, Self::Room(NO_CONTROLLER, _))
    }
}

/// A change of a member of a group, on this node or another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) id: ConnectionId,
    pub(crate) kind: ChangeKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    /// A connection with this user joined.
    Joined(Option<Arc<str>>),
    /// A member now has this user.
    User(Option<Arc<str>>),
    Left,
}

#[derive(Debug, Default)]
struct Group {
    members: Connections,
    watchers: Option<broadcast::Sender<Change>>,
    /// The changes for other nodes that watch the group.
    owned: Option<Box<Owned>>,
}

impl Group {
    /// Passes a change of a member on this node to the watchers on all nodes.
    fn notify(
        &mut self,
        key: &GroupKey,
        connection: &Connection,
        kind: impl FnOnce() -> ChangeKind,
        reports: Option<&Reports>,
    ) {
        if self.watchers.is_none() && self.owned.is_none() {
            return;
        }
        let change = Change { id: connection.id(), kind: kind() };
        if let (Some(owned), Some(reports)) = (&mut self.owned, reports) {
            reports.record(key, owned, &change);
        }
        self.announce(change);
    }

    /// Passes a change to the watchers on this node.
    fn announce(&self, change: Change) {
        if let Some(watchers) = &self.watchers {
            // Fails if the last watcher has been dropped, which is not an error.
            let _ = watchers.send(change);
        }
    }

    fn is_unused(&self) -> bool {
        self.members.is_empty()
            && self.owned.is_none()
            && self.watchers.as_ref().is_none_or(|it| it.receiver_count() == 0)
    }
}

/// A room with some of its members on this node.
#[cfg(feature = "console")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoomMembers {
    pub(crate) controller: &'static str,
    pub(crate) name: Arc<str>,
    /// The number of all members.
    pub(crate) members: usize,
    pub(crate) ids: Vec<ConnectionId>,
}

type Shard = HashMap<GroupKey, Group>;

/// All groups that have a member or a watcher.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    shards: Shards<Shard>,
    hasher: RandomState,
    /// Informed of the first and the last member of each group, and of the changes in groups that
    /// other nodes watch. Empty without a cluster. Its locks come after those of the shards.
    reports: OnceLock<Arc<Reports>>,
}

impl Groups {
    /// Reports the changes of all groups from now on.
    pub(super) fn report_to(&self, reports: Arc<Reports>) {
        let _ = self.reports.set(reports);
    }

    /// Adds a member with this user. Returns the key of the group itself: all members of one group
    /// share the allocation of its name.
    pub(crate) fn join(&self, key: GroupKey, connection: &Connection, user: Option<&Arc<str>>) -> GroupKey {
        let (mut shard, reports) = (self.lock(&key), self.reports());
        let key = match shard.get_key_value(&key) {
            Some((own, _)) => own.clone(),
            None => key,
        };
        let group = shard.entry(key.clone()).or_default();
        if group.members.insert(connection) {
            group.notify(&key, connection, || ChangeKind::Joined(user.cloned()), reports);
            if let GroupKey::Room(..) = key {
                connection.counters().controller.joined_room(group.members.len() == 1);
            }
            if group.members.len() == 1
                && let Some(reports) = reports
            {
                reports.first_joined(&key, group.owned.as_deref());
            }
        }
        key
    }

    /// Records that a member of a room now has this user.
    pub(crate) fn identify(&self, key: &GroupKey, connection: &Connection, user: &Arc<str>) {
        if let Some(group) = self.lock(key).get_mut(key) {
            group.notify(key, connection, || ChangeKind::User(Some(Arc::clone(user))), self.reports());
        }
    }

    /// Removes a member. A group without members and watchers is removed as well.
    pub(crate) fn leave(&self, key: &GroupKey, connection: &Connection) {
        let (mut shard, reports) = (self.lock(key), self.reports());
        let Some(group) = shard.get_mut(key) else { return };
        if group.members.remove(connection) {
            group.notify(key, connection, || ChangeKind::Left, reports);
            if let GroupKey::Room(..) = key {
                connection.counters().controller.left_room(group.members.is_empty());
            }
            if group.members.is_empty()
                && let Some(reports) = reports
            {
                reports.last_left(key);
            }
        }
        if group.is_unused() {
            shard.remove(key);
        }
        drop(shard);
        // Only after the removal: a delivery that reads the new number must not find the member.
        connection.outbox().departed();
    }

    /// Appends the next turn of members ([`Connections::take`]), and returns the name allocation of
    /// the group.
    pub(crate) fn take(
        &self,
        key: &GroupKey,
        after: &mut u64,
        turn: &mut Vec<Recipient>,
    ) -> Option<Arc<str>> {
        let shard = self.lock(key);
        let (own, group) = shard.get_key_value(key)?;
        group.members.take(after, turn);
        Some(Arc::clone(own.name()))
    }

    pub(crate) fn count(&self, key: &GroupKey) -> usize {
        self.lock(key).get(key).map_or(0, |group| group.members.len())
    }

    /// Returns the present members.
    pub(crate) fn ids(&self, key: &GroupKey) -> Vec<ConnectionId> {
        self.lock(key).get(key).map(|group| group.members.ids()).unwrap_or_default()
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

    /// Passes changes of members on other nodes to the watchers on this node.
    pub(crate) fn announce(&self, key: &GroupKey, changes: Vec<Change>) {
        let mut changes = changes.into_iter().peekable();
        while changes.peek().is_some() {
            // The lock is released after each turn.
            let shard = self.lock(key);
            let Some(group) = shard.get(key) else { return };
            changes.by_ref().take(fixed::MEMBERS_A_TURN).for_each(|change| group.announce(change));
        }
    }

    /// Begins or extends the watch of other nodes. Returns the version of the members on this node
    /// and their ids; a group without members has a new version.
    pub(super) fn own(&self, key: &GroupKey, reports: &Reports) -> (u64, Vec<ConnectionId>) {
        match self.lock(key).get_mut(key) {
            Some(group) if group.owned.is_some() || !group.members.is_empty() => {
                (reports.own(key, &mut group.owned), group.members.ids())
            }
            _ => (reports.next_version(), Vec::new()),
        }
    }

    /// Extends the watch of other nodes. Returns the version of the members on this node if it has
    /// members or had some recently.
    pub(super) fn renew(&self, key: &GroupKey, reports: &Reports) -> Option<u64> {
        let mut shard = self.lock(key);
        let group = shard.get_mut(key).filter(|it| it.owned.is_some() || !it.members.is_empty())?;
        Some(reports.own(key, &mut group.owned))
    }

    /// Returns a version to announce if a group has members.
    pub(super) fn version(&self, key: &GroupKey, reports: &Reports) -> Option<u64> {
        let shard = self.lock(key);
        let group = shard.get(key).filter(|group| !group.members.is_empty())?;
        Some(group.owned.as_ref().map_or_else(|| reports.next_version(), |owned| owned.version()))
    }

    /// Takes the gathered changes for the nodes that watch a group, in parts of this size.
    pub(super) fn take_gathered(
        &self,
        key: &GroupKey,
        channel: &Bytes,
        part_bytes: usize,
        reports: &Reports,
    ) -> Vec<Changes> {
        let mut shard = self.lock(key);
        let owned = shard.get_mut(key).and_then(|group| group.owned.as_mut());
        owned.map(|it| it.take(channel, part_bytes, || reports.next_version())).unwrap_or_default()
    }

    /// Ends the watch of other nodes if it was not renewed.
    pub(super) fn disown(&self, key: &GroupKey, reports: &Reports) {
        let mut shard = self.lock(key);
        let Some(group) = shard.get_mut(key) else { return };
        reports.disown(key, &mut group.owned);
        if group.is_unused() {
            shard.remove(key);
        }
    }

    /// Returns at most this many rooms, each with at most this many members, and the number of all
    /// rooms that have members.
    #[cfg(feature = "console")]
    pub(crate) fn rooms(&self, most: usize, most_members: usize) -> (Vec<RoomMembers>, usize) {
        let (mut rooms, mut count) = (Vec::new(), 0);
        for shard in 0..super::shards::SHARDS {
            for (key, group) in &*self.shards.lock(shard) {
                let GroupKey::Room(controller, name) = key else { continue };
                if group.members.is_empty() {
                    continue;
                }
                count += 1;
                if rooms.len() < most {
                    let (mut after, mut turn) = (0, Vec::new());
                    group.members.take(&mut after, &mut turn);
                    let ids = turn.iter().map(|recipient| recipient.connection.id());
                    let ids = ids.take(most_members).collect();
                    let (name, members) = (Arc::clone(name), group.members.len());
                    rooms.push(RoomMembers { controller, name, members, ids });
                }
            }
        }
        (rooms, count)
    }

    /// The number of groups.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.shards.sum(HashMap::len)
    }

    fn reports(&self) -> Option<&Reports> {
        self.reports.get().map(Arc::as_ref)
    }

    fn lock(&self, key: &GroupKey) -> MutexGuard<'_, Shard> {
        self.shards.lock(self.hasher.hash_one(key) as usize)
    }
}
