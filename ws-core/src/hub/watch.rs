//! Membership that can be watched: who joins and leaves a room, when a user comes and goes.

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

/// A change in a room, told by [`Members`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemberEvent {
    /// A connection joined.
    Joined(ConnectionId),
    /// A connection left, or ended.
    Left(ConnectionId),
    /// So many changes were missed, because more than 256 waited to be read. [`Members::now`] of a new watch says who is there.
    Lagged(u64),
}

/// A user's coming and going, told by [`Presence`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PresenceEvent {
    /// The user's first connection is there.
    Online,
    /// The user's last connection is gone.
    Offline,
    /// Changes were missed, because more than 256 of the user's connections came and went unread.
    Lagged(u64),
}

/// A watch on a group.
#[derive(Debug)]
struct Watch {
    /// Before the watcher: it is forgotten once nothing is received any more.
    changes: BroadcastStream<Change>,
    _watcher: Watcher,
}

/// Dropping it lets an empty group go.
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

/// Who is in a room, and a stream of the changes. Made by [`Room::members`](super::Room::members).
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

    /// Who was there when the watch began, in no particular order; the stream begins right behind it.
    pub fn now(&self) -> &[ConnectionId] {
        &self.now
    }

    /// The next change. It is never `None` while the watch lives.
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

/// Whether a user is connected, and a stream of the changes. Made by [`User::presence`](super::User::presence).
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

    /// Whether the user was connected when the watch began; the stream begins right behind it.
    pub fn is_online(&self) -> bool {
        self.is_online
    }

    /// The next change. It is never `None` while the watch lives.
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
                // A second connection came, or one of several went.
                Some(Ok(_)) => continue,
                Some(Err(missed)) => PresenceEvent::Lagged(missed),
            };
            return Poll::Ready(Some(event));
        }
    }
}
