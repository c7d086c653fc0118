//! [`Members`] and [`Presence`]: streams of the changes in a room, and of whether a user is
//! connected.
//!
//! Changes come from a bounded broadcast channel of the group. A watcher that reads too slowly gets
//! `Lagged`; it must never delay a join or a leave.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError as Missed};

use super::{
    Live,
    groups::{Change, GroupKey},
};
use crate::wire::ConnectionId;

/// A change in a room, returned by [`Members`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemberEvent {
    /// A connection joined.
    Joined(ConnectionId),
    /// A connection left, or ended.
    Left(ConnectionId),
    /// This number of changes was missed, because more than 256 waited to be read. To get the
    /// present members, start a new watch and read [`Members::now`].
    Lagged(u64),
}

/// A change of whether a user is connected, returned by [`Presence`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PresenceEvent {
    /// The first connection of the user was identified.
    Online,
    /// The last connection of the user has ended, or now has another user.
    Offline,
    /// This number of changes was missed, because more than 256 opened and closed connections of
    /// the user waited to be read. To get the present state, start a new watch and read
    /// [`Presence::is_online`].
    Lagged(u64),
}

/// A watch on a group.
#[derive(Debug)]
struct Watch {
    /// Dropped before the watcher, which counts the remaining receivers.
    changes: BroadcastStream<Change>,
    _watcher: Watcher,
}

/// A guard that removes the group on drop, if the group has no members and no other watchers.
#[derive(Debug)]
struct Watcher {
    live: Arc<Live>,
    key: GroupKey,
}

impl Watch {
    fn new(live: &Arc<Live>, key: GroupKey) -> (Vec<ConnectionId>, Self) {
        let (now, changes) = live.groups().watch(key.clone());
        let watcher = Watcher { live: Arc::clone(live), key };
        (now, Self { changes: BroadcastStream::new(changes), _watcher: watcher })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Change, u64>>> {
        let change = ready!(Pin::new(&mut self.changes).poll_next(cx));
        Poll::Ready(change.map(|change| change.map_err(|Missed::Lagged(missed)| missed)))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.live.groups().forget_watcher(&self.key);
    }
}

/// The members of a room, and a stream of the changes. Returned by
/// [`Room::members`](super::Room::members).
#[derive(Debug)]
#[doc(alias("presence"))]
pub struct Members {
    now: Vec<ConnectionId>,
    watch: Watch,
}

impl Members {
    pub(super) fn new(live: &Arc<Live>, key: GroupKey) -> Self {
        let (now, watch) = Watch::new(live, key);
        Self { now, watch }
    }

    /// The members when the watch began, in no particular order. The stream has every later change.
    pub fn now(&self) -> &[ConnectionId] {
        &self.now
    }

    /// Waits for the next change. Never returns `None`.
    pub async fn next(&mut self) -> Option<MemberEvent> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Members {
    type Item = MemberEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<MemberEvent>> {
        let change = ready!(self.watch.poll(cx));
        Poll::Ready(change.map(|change| match change {
            Ok(Change { id, joined: true, .. }) => MemberEvent::Joined(id),
            Ok(Change { id, joined: false, .. }) => MemberEvent::Left(id),
            Err(missed) => MemberEvent::Lagged(missed),
        }))
    }
}

/// Whether a user is connected, and a stream of the changes. Returned by
/// [`User::presence`](super::User::presence).
#[derive(Debug)]
pub struct Presence {
    is_online: bool,
    watch: Watch,
}

impl Presence {
    pub(super) fn new(live: &Arc<Live>, key: GroupKey) -> Self {
        let (now, watch) = Watch::new(live, key);
        Self { is_online: !now.is_empty(), watch }
    }

    /// Whether the user was connected when the watch began. The stream has every later change.
    pub fn is_online(&self) -> bool {
        self.is_online
    }

    /// Waits for the next change. Never returns `None`.
    pub async fn next(&mut self) -> Option<PresenceEvent> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Presence {
    type Item = PresenceEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<PresenceEvent>> {
        loop {
            let event = match ready!(self.watch.poll(cx)) {
                None => return Poll::Ready(None),
                Some(Ok(Change { joined: true, members: 1, .. })) => PresenceEvent::Online,
                Some(Ok(Change { joined: false, members: 0, .. })) => PresenceEvent::Offline,
                // A further connection joined, or one of several left.
                Some(Ok(_)) => continue,
                Some(Err(missed)) => PresenceEvent::Lagged(missed),
            };
            return Poll::Ready(Some(event));
        }
    }
}
