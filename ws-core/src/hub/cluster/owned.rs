//! [`Owned`]: the changes of the members of one group on this node, for the nodes that watch it.
//!
//! The index of groups stores it beside the members, and records each change under the same lock.
//! It exists while the watch of another node was renewed within 30 s. The versions of all groups
//! come from one counter of the node, so a version is never used again for a group that was
//! forgotten meanwhile.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    agenda::{Agenda, Due},
    interest::Interest,
    wire::{Changes, Entry},
};
use crate::{
    fixed,
    hub::{
        GroupKey,
        groups::{Change, ChangeKind},
    },
};

/// The state of a group that other nodes watch.
#[derive(Debug)]
pub(in crate::hub) struct Owned {
    /// The version of the last changes that were taken.
    version: u64,
    /// The end of the watch.
    until: Instant,
    /// The last change of each connection since this version. None is left out, since a roster of
    /// this version may have the state in between.
    gathered: HashMap<u64, ChangeKind>,
}

/// The part of the cluster that the index of groups reports to. Its locks come after those of the
/// index.
#[derive(Debug)]
pub(in crate::hub) struct Reports {
    pub(super) interest: Arc<Interest>,
    pub(super) agenda: Arc<Agenda>,
    /// The newest version.
    version: AtomicU64,
    /// The number of groups with an [`Owned`].
    owned: AtomicUsize,
}

impl Reports {
    pub(super) fn new(interest: &Arc<Interest>, agenda: &Arc<Agenda>) -> Self {
        let (version, owned) = (AtomicU64::new(0), AtomicUsize::new(0));
        Self { interest: Arc::clone(interest), agenda: Arc::clone(agenda), version, owned }
    }

    /// Records that a group has its first member.
    pub(in crate::hub) fn first_joined(&self, key: &GroupKey, owned: Option<&Owned>) {
        self.interest.want(key);
        if owned.is_none() {
            self.agenda.add_first(key);
        }
    }

    /// Records that the last member of a group has left.
    pub(in crate::hub) fn last_left(&self, key: &GroupKey) {
        self.interest.unwant(key);
    }

    /// Records a change in a group that other nodes watch.
    pub(in crate::hub) fn record(&self, key: &GroupKey, owned: &mut Owned, change: &Change) {
        let kind = match (key, &change.kind) {
            // The user of these connections is the group.
            (GroupKey::User(_), ChangeKind::Joined(_)) => ChangeKind::Joined(None),
            (_, kind) => kind.clone(),
        };
        let is_first = owned.gathered.is_empty();
        owned.gathered.insert(change.id.sequence(), kind);
        if is_first {
            self.agenda.add(Instant::now() + fixed::CHANGES_GATHERED, Due::Gathered(key.clone()));
        }
    }

    /// Begins or extends the watch of a group, and returns the version of its members. Beyond
    /// [`fixed::WATCHED_GROUPS`] nothing is begun, and the version is a new one each time.
    pub(in crate::hub) fn own(&self, key: &GroupKey, owned: &mut Option<Box<Owned>>) -> u64 {
        let until = Instant::now() + fixed::WATCH_REMEMBERED;
        if let Some(owned) = owned {
            owned.until = until;
            return owned.version;
        }
        let version = self.next_version();
        if self.owned.fetch_add(1, Ordering::Relaxed) >= fixed::WATCHED_GROUPS {
            self.owned.fetch_sub(1, Ordering::Relaxed);
        } else {
            *owned = Some(Box::new(Owned { version, until, gathered: HashMap::new() }));
            self.agenda.add(until, Due::Forget(key.clone()));
        }
        version
    }

    /// Ends the watch of a group if it was not renewed.
    pub(in crate::hub) fn disown(&self, key: &GroupKey, owned: &mut Option<Box<Owned>>) {
        match owned {
            Some(it) if it.until > Instant::now() => self.agenda.add(it.until, Due::Forget(key.clone())),
            Some(_) => {
                *owned = None;
                self.owned.fetch_sub(1, Ordering::Relaxed);
            }
            None => {}
        }
    }

    /// Returns a version that was never used.
    pub(in crate::hub) fn next_version(&self) -> u64 {
        self.version.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Owned {
    pub(in crate::hub) fn version(&self) -> u64 {
        self.version
    }

    /// Takes the gathered changes, in parts of limited size. Each part has a version of its own.
    pub(in crate::hub) fn take(
        &mut self,
        channel: &Bytes,
        part_bytes: usize,
        mut next_version: impl FnMut() -> u64,
    ) -> Vec<Changes> {
        let mut parts = Vec::new();
        let (mut part, mut bytes) = (None::<Changes>, 0);
        for (connection, kind) in std::mem::take(&mut self.gathered) {
            let changes = part.get_or_insert_with(|| {
                let (from, channel) = (self.version, channel.clone());
                self.version = next_version();
                Changes { from, to: self.version, channel, joined: Vec::new(), left: Vec::new() }
            });
            match kind {
                ChangeKind::Joined(user) | ChangeKind::User(user) => {
                    let entry = Entry { connection, user };
                    bytes += entry.size();
                    changes.joined.push(entry);
                }
                ChangeKind::Left => {
                    bytes += size_of::<u64>();
                    changes.left.push(connection);
                }
            }
            if bytes >= part_bytes {
                parts.extend(part.take());
                bytes = 0;
            }
        }
        parts.extend(part);
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ConnectionId;

    fn reports() -> Reports {
        Reports::new(&Arc::default(), &Arc::default())
    }

    fn change(number: u64, kind: ChangeKind) -> Change {
        Change { id: ConnectionId::new(1, number), kind }
    }

    fn joined(number: u64) -> Change {
        change(number, ChangeKind::Joined(Some("tom".into())))
    }

    #[test]
    fn the_last_change_of_each_connection_is_published_also_if_it_undoes_an_earlier_one() {
        let (reports, key, channel) = (reports(), GroupKey::Room("Room", "r".into()), Bytes::new());
        let mut owned = None;
        let version = reports.own(&key, &mut owned);
        let owned = owned.as_mut().unwrap();
        // A roster of this version may have been sent in between.
        for change in
            [joined(1), joined(2), change(1, ChangeKind::Left), joined(1), change(1, ChangeKind::Left)]
        {
            reports.record(&key, owned, &change);
        }
        let [changes] = &*owned.take(&channel, 1000, || reports.next_version()) else { panic!("one part") };
        assert_eq!((changes.from, changes.to), (version, owned.version()));
        assert_eq!((changes.joined.len(), &*changes.left), (1, &[1][..]));
        assert!(owned.take(&channel, 1000, || reports.next_version()).is_empty());
    }

    #[test]
    fn parts_of_changes_follow_each_other_and_are_limited_in_size() {
        let (reports, key, channel) = (reports(), GroupKey::User("tom".into()), Bytes::new());
        let mut owned = None;
        let mut version = reports.own(&key, &mut owned);
        let owned = owned.as_mut().unwrap();
        (0..100).for_each(|number| reports.record(&key, owned, &joined(number)));
        let parts = owned.take(&channel, 95, || reports.next_version());
        assert_eq!(parts.len(), 10);
        for part in parts {
            assert_eq!((part.from, part.joined.len()), (version, 10));
            assert_eq!(part.joined[0].user, None, "the user is the group");
            version = part.to;
        }
        assert_eq!(version, owned.version());
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_ends_after_thirty_seconds_without_a_renewal_and_a_later_one_has_a_new_version() {
        let (reports, key) = (reports(), GroupKey::User("tom".into()));
        let mut owned = None;
        let version = reports.own(&key, &mut owned);
        for _ in 0..3 {
            tokio::time::advance(fixed::WATCH_REMEMBERED * 2 / 3).await;
            reports.disown(&key, &mut owned);
            assert_eq!(reports.own(&key, &mut owned), version, "it is renewed");
        }
        tokio::time::advance(fixed::WATCH_REMEMBERED).await;
        reports.disown(&key, &mut owned);
        assert!(owned.is_none());
        assert!(reports.own(&key, &mut owned) > version);
    }

    #[test]
    fn the_number_of_watched_groups_is_limited() {
        let reports = reports();
        let mut groups: Vec<_> = (0..fixed::WATCHED_GROUPS).map(|_| None).collect();
        let key = GroupKey::User("tom".into());
        for owned in &mut groups {
            reports.own(&key, owned);
        }
        let mut further = None;
        let version = reports.own(&key, &mut further);
        assert!(further.is_none());
        assert!(reports.own(&key, &mut further) > version, "the version is new each time");
    }
}
