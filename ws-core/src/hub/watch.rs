//! [`Members`] and [`Presence`]: streams of the changes in a room, and of whether a user is
//! connected.
//!
//! Changes come from a bounded broadcast channel of the group: those of this node from the index of
//! groups, those of other nodes from the cluster. A watcher that reads too slowly gets `Lagged`; it
//! must never delay a join or a leave.

use std::{
    collections::HashSet,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError as Missed};

use super::{
    Live,
    cluster::RemoteWatch,
    groups::{Change, ChangeKind, GroupKey},
};
use crate::wire::ConnectionId;

/// A change in a room, returned by [`Members`].
///
/// ```
/// use ws_core::hub::{MemberEvent, Members};
///
/// async fn print(mut members: Members) {
///     while let Some(event) = members.next().await {
///         match event {
///             MemberEvent::Joined(id) => println!("{id} joined"),
///             MemberEvent::Left(id) => println!("{id} left"),
///             _ => println!("read `Members::now` again"),
///         }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemberEvent {
    /// A connection joined.
    Joined(ConnectionId),
    /// A connection left, or ended, or its node is gone.
    Left(ConnectionId),
    /// This number of changes was missed, because more than 256 waited to be read.
    /// [`Members::current`] has the present members.
    Lagged(u64),
}

/// A change of whether a user is connected, returned by [`Presence`].
///
/// ```
/// use ws_core::hub::{Presence, PresenceEvent};
///
/// async fn print(mut presence: Presence) {
///     while let Some(event) = presence.next().await {
///         match event {
///             PresenceEvent::Online => println!("online"),
///             PresenceEvent::Offline => println!("offline"),
///             _ => println!("read `Presence::is_online` again"),
///         }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PresenceEvent {
    /// The first connection of the user was identified.
    Online,
    /// The last connection of the user has ended, or now has another user, or its node is gone.
    Offline,
    /// This number of changes was missed, because more than 256 opened and closed connections of
    /// the user waited to be read. If the state has changed meanwhile, the next event reports it.
    Lagged(u64),
}

/// A member of a room, returned by [`Members::current`].
///
/// ```
/// use ws_core::hub::Members;
///
/// fn print(members: &Members) {
///     for member in members.current() {
///         println!("{}: {}", member.id, member.user.as_deref().unwrap_or("anonymous"));
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// The connection.
    pub id: ConnectionId,
    /// The user of the connection ([`Connection::identify`](crate::Connection::identify)).
    pub user: Option<Arc<str>>,
}

/// A watch on a group.
#[derive(Debug)]
pub(super) struct Watch {
    /// Dropped before the watcher, which counts the remaining receivers.
    changes: BroadcastStream<Change>,
    watcher: Watcher,
}

/// A guard that removes the group on drop, if the group has no members and no other watchers.
#[derive(Debug)]
struct Watcher {
    live: Arc<Live>,
    key: GroupKey,
    /// The watch of the other nodes; `None` without a cluster.
    remote: Option<RemoteWatch>,
}

/// The members when a watch begins.
#[derive(Debug)]
pub(super) struct Snapshot {
    local: Vec<ConnectionId>,
    remote: Vec<Member>,
}

impl Snapshot {
    pub(super) fn ids(self) -> Vec<ConnectionId> {
        let Self { local: mut ids, remote } = self;
        ids.extend(remote.into_iter().map(|member| member.id));
        ids
    }

    /// The members with their users. The users of local members are read now; if one changes, the
    /// watch has that change.
    pub(super) fn members(self, live: &Live) -> Vec<Member> {
        let user = |id| live.get(id).and_then(|connection| connection.user());
        let local = self.local.into_iter().map(|id| Member { id, user: user(id) });
        local.chain(self.remote).collect()
    }
}

impl Watch {
    pub(super) fn new(live: &Arc<Live>, key: GroupKey) -> (Snapshot, Self) {
        // A controller without a route has no members anywhere.
        let cluster = live.cluster().filter(|_| !key.is_of_no_controller());
        let remote = cluster.map(|node| node.watch(&key));
        let watcher = Watcher { live: Arc::clone(live), key, remote };
        let (snapshot, changes) = watcher.begin();
        (snapshot, Self { changes, watcher })
    }

    /// Begins again, without the changes that were not read.
    pub(super) fn restart(&mut self) -> Snapshot {
        let (snapshot, changes) = self.watcher.begin();
        self.changes = changes;
        snapshot
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Change, u64>>> {
        let change = ready!(Pin::new(&mut self.changes).poll_next(cx));
        Poll::Ready(change.map(|change| change.map_err(|Missed::Lagged(missed)| missed)))
    }

    pub(super) fn current(&self) -> Vec<Member> {
        let Watcher { live, key, remote } = &self.watcher;
        let snapshot = match remote {
            Some(watch) => {
                let (remote, local) = watch.begin(|| live.groups().ids(key));
                Snapshot { local, remote }
            }
            None => Snapshot { local: live.groups().ids(key), remote: Vec::new() },
        };
        snapshot.members(live)
    }

    pub(super) fn live(&self) -> &Live {
        &self.watcher.live
    }

    pub(super) fn is_stale(&self) -> bool {
        self.watcher.remote.as_ref().is_some_and(RemoteWatch::is_stale)
    }

    /// Waits until all nodes have answered, and begins again. Returns `None` without a cluster.
    pub(super) async fn settled(&mut self) -> Option<Snapshot> {
        self.watcher.remote.as_ref()?.settled().await;
        Some(self.restart())
    }
}

impl Watcher {
    /// Returns the present members, and a stream of every change from now on.
    fn begin(&self) -> (Snapshot, BroadcastStream<Change>) {
        let begin = || self.live.groups().watch(self.key.clone());
        let (remote, (local, changes)) = match &self.remote {
            Some(watch) => watch.begin(begin),
            None => (Vec::new(), begin()),
        };
        (Snapshot { local, remote }, BroadcastStream::new(changes))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.live.groups().forget_watcher(&self.key);
    }
}

/// The members of a room on all nodes, and a stream of the changes. Returned by
/// [`Room::members`](super::Room::members).
///
/// The members on this node are exact. Those on other nodes arrive after the watch began:
/// [`settled`](Self::settled) waits for them. A connection is reported once when it joins and once
/// when it leaves, whatever messages between the nodes were lost.
///
/// ```
/// use ws_core::Connection;
///
/// async fn size(conn: &Connection) -> usize {
///     let mut members = conn.room("lobby").members();
///     members.settled().await;
///     members.now().len()
/// }
/// ```
#[derive(Debug)]
#[doc(alias("presence"))]
pub struct Members {
    now: Vec<ConnectionId>,
    watch: Watch,
}

impl Members {
    pub(super) fn new(live: &Arc<Live>, key: GroupKey) -> Self {
        let (snapshot, watch) = Watch::new(live, key);
        Self { now: snapshot.ids(), watch }
    }

    /// The members when the watch began or [`settled`](Self::settled) returned last, in no
    /// particular order. The stream has every later change.
    pub fn now(&self) -> &[ConnectionId] {
        &self.now
    }

    /// Returns the present members and their users, in no particular order. The changes that the
    /// stream has not returned yet are included.
    pub fn current(&self) -> Vec<Member> {
        self.watch.current()
    }

    /// Waits until all nodes that are alive have answered. After that, [`now`](Self::now) has the
    /// members of all nodes at this time, and the stream continues from there. Without a cluster it
    /// returns at once.
    ///
    /// While the broker cannot be reached it does not return, so use a timeout where this matters.
    /// Dropping the future changes nothing.
    pub async fn settled(&mut self) {
        if let Some(snapshot) = self.watch.settled().await {
            self.now = snapshot.ids();
        }
    }

    /// Whether the members of other nodes are the last known ones: the broker is away, or a node
    /// has not answered yet. Without a cluster it is false.
    pub fn is_stale(&self) -> bool {
        self.watch.is_stale()
    }

    /// Waits for the next change. Never returns `None`.
    pub async fn next(&mut self) -> Option<MemberEvent> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Members {
    type Item = MemberEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<MemberEvent>> {
        loop {
            let event = match ready!(self.watch.poll(cx)) {
                None => return Poll::Ready(None),
                Some(Ok(Change { id, kind: ChangeKind::Joined(_) })) => MemberEvent::Joined(id),
                Some(Ok(Change { id, kind: ChangeKind::Left })) => MemberEvent::Left(id),
                Some(Ok(Change { kind: ChangeKind::User(_), .. })) => continue,
                Some(Err(missed)) => MemberEvent::Lagged(missed),
            };
            return Poll::Ready(Some(event));
        }
    }
}

/// Whether a user is connected to any node, and a stream of the changes. Returned by
/// [`User::presence`](super::User::presence).
///
/// ```
/// use ws_core::Hub;
///
/// async fn is_online(hub: &Hub, account: &str) -> bool {
///     let mut presence = hub.user(account).presence();
///     presence.settled().await;
///     presence.is_online()
/// }
/// ```
#[derive(Debug)]
pub struct Presence {
    is_online: bool,
    /// The state after the last event.
    reported: bool,
    connections: HashSet<ConnectionId>,
    watch: Watch,
}

impl Presence {
    pub(super) fn new(live: &Arc<Live>, key: GroupKey) -> Self {
        let (snapshot, watch) = Watch::new(live, key);
        let mut this = Self { is_online: false, reported: false, connections: HashSet::new(), watch };
        this.begin(snapshot);
        this
    }

    fn begin(&mut self, snapshot: Snapshot) {
        self.connections = snapshot.ids().into_iter().collect();
        self.is_online = !self.connections.is_empty();
        self.reported = self.is_online;
    }

    /// Whether the user was connected when the watch began or [`settled`](Self::settled) returned
    /// last. The stream has every later change.
    pub fn is_online(&self) -> bool {
        self.is_online
    }

    /// Waits until all nodes that are alive have answered. After that,
    /// [`is_online`](Self::is_online) is the state at this time, and the stream continues from
    /// there. Without a cluster it returns at once.
    ///
    /// While the broker cannot be reached it does not return, so use a timeout where this matters.
    /// Dropping the future changes nothing.
    pub async fn settled(&mut self) {
        if let Some(snapshot) = self.watch.settled().await {
            self.begin(snapshot);
        }
    }

    /// Whether the connections on other nodes are the last known ones: the broker is away, or a
    /// node has not answered yet. Without a cluster it is false.
    pub fn is_stale(&self) -> bool {
        self.watch.is_stale()
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
            let is_online = !self.connections.is_empty();
            if is_online != self.reported {
                self.reported = is_online;
                let event = if is_online { PresenceEvent::Online } else { PresenceEvent::Offline };
                return Poll::Ready(Some(event));
            }
            match ready!(self.watch.poll(cx)) {
                None => return Poll::Ready(None),
                Some(Ok(Change { id, kind: ChangeKind::Left })) => {
                    self.connections.remove(&id);
                }
                Some(Ok(Change { id, .. })) => {
                    self.connections.insert(id);
                }
                Some(Err(missed)) => {
                    self.connections = self.watch.restart().ids().into_iter().collect();
                    return Poll::Ready(Some(PresenceEvent::Lagged(missed)));
                }
            }
        }
    }
}
