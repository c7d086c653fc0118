//! The watches of all rooms and users on all nodes: no member is reported twice, and after the
//! faults have ended, each watch has exactly the members.

use std::collections::BTreeSet;

use futures_util::FutureExt as _;
use ws_core::{
    ConnectionId,
    hub::{MemberEvent, Members, Presence, PresenceEvent},
};

use super::world::{Goal, Members as Controller, NODES, ROOMS, USERS, World};
use crate::brokers::eventually;

/// The watches of all nodes.
#[derive(Default)]
pub(super) struct Watches {
    rooms: Vec<RoomWatch>,
    users: Vec<UserWatch>,
}

struct RoomWatch {
    node: usize,
    room: usize,
    members: Members,
    there: BTreeSet<ConnectionId>,
}

struct UserWatch {
    node: usize,
    user: usize,
    presence: Presence,
    is_online: bool,
}

impl RoomWatch {
    fn read(&mut self) {
        while let Some(event) = self.members.next().now_or_never() {
            let is_new = match event.unwrap() {
                MemberEvent::Joined(id) => self.there.insert(id),
                MemberEvent::Left(id) => self.there.remove(&id),
                other => panic!("{other:?}"),
            };
            assert!(is_new, "{event:?} twice at node {} in room {}", self.node, self.room);
        }
    }
}

impl UserWatch {
    fn read(&mut self) {
        while let Some(event) = self.presence.next().now_or_never() {
            let is_online = event == Some(PresenceEvent::Online);
            assert!(is_online || event == Some(PresenceEvent::Offline), "{event:?}");
            assert_ne!(is_online, self.is_online, "{event:?} twice at node {} of {}", self.node, self.user);
            self.is_online = is_online;
        }
    }
}

impl World<'_> {
    /// Begins a watch of each room and user on each node.
    pub(super) fn watch_all(&mut self) {
        let mut watches = Watches::default();
        for node in 0..NODES {
            for room in 0..ROOMS {
                let hub = self.nodes[node].hub();
                let members = hub.room::<Controller>(format!("room {room}")).members();
                let there = members.now().iter().copied().collect();
                watches.rooms.push(RoomWatch { node, room, members, there });
            }
            for user in 0..USERS {
                let presence = self.nodes[node].hub().user(format!("user {user}")).presence();
                let is_online = presence.is_online();
                watches.users.push(UserWatch { node, user, presence, is_online });
            }
        }
        self.watches = watches;
    }

    /// Reads what the watches have reported.
    pub(super) fn read_watches(&mut self) {
        self.watches.rooms.iter_mut().for_each(RoomWatch::read);
        self.watches.users.iter_mut().for_each(UserWatch::read);
    }

    /// Waits until each watch has exactly the members.
    pub(super) async fn check_watches(&mut self) {
        let mut watches = std::mem::take(&mut self.watches);
        for watch in &mut watches.rooms {
            let goal = Goal::Room(watch.room);
            let members = self.clients.iter().filter(|client| client.membership(goal).is_some());
            let expected: BTreeSet<ConnectionId> = members.map(|client| client.id).collect();
            let text = format!("node {} sees {expected:?} in room {}", watch.node, watch.room);
            eventually(&text, || {
                watch.read();
                watch.there == expected && !watch.members.is_stale()
            })
            .await;
        }
        for watch in &mut watches.users {
            let goal = Goal::User(watch.user);
            let expected = self.clients.iter().any(|client| client.membership(goal).is_some());
            let text = format!("node {} sees that {} is online: {expected}", watch.node, watch.user);
            eventually(&text, || {
                watch.read();
                watch.is_online == expected && !watch.presence.is_stale()
            })
            .await;
        }
        self.watches = watches;
    }
}
