//! Compares the hub with a simple model: random steps on one thread, and after each step both must
//! agree on every connection, room and user.

use std::{
    collections::{BTreeMap, BTreeSet},
    task::{Context, Poll, Waker},
};

use proptest::prelude::*;

use super::*;
use crate::{config::Overflow, controller::Controller};

const CONNECTIONS: usize = 5;
const ROOMS: usize = 4;
const USERS: usize = 2;
/// The limits of rooms and of queued messages for each connection, low so that both are reached.
const MAX_ROOMS: usize = 3;
const MAX_WAITING: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    /// Opens a new connection in the place of this one.
    Enter(usize),
    End(usize),
    Join(usize, usize),
    Leave(usize, usize),
    Identify(usize, usize),
    Read(usize),
    Push(Scope, Vec<usize>),
    Disconnect(Scope),
    Watch(usize),
    Unwatch(usize),
}

#[derive(Clone, Copy, Debug)]
enum Scope {
    All,
    One(usize),
    /// The controller of all connections.
    Controller,
    OtherController,
    Room(usize),
    /// A room of this name that belongs to another controller.
    OtherRoom(usize),
    User(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    let (connection, room, user) = (0..CONNECTIONS, 0..ROOMS, 0..USERS);
    let scope = prop_oneof![
        1 => Just(Scope::All),
        1 => connection.clone().prop_map(Scope::One),
        1 => Just(Scope::Controller),
        1 => Just(Scope::OtherController),
        3 => room.clone().prop_map(Scope::Room),
        1 => room.clone().prop_map(Scope::OtherRoom),
        2 => user.clone().prop_map(Scope::User),
    ];
    prop_oneof![
        2 => connection.clone().prop_map(Step::Enter),
        1 => connection.clone().prop_map(Step::End),
        6 => (connection.clone(), room.clone()).prop_map(|(who, room)| Step::Join(who, room)),
        3 => (connection.clone(), room.clone()).prop_map(|(who, room)| Step::Leave(who, room)),
        2 => (connection.clone(), user).prop_map(|(who, user)| Step::Identify(who, user)),
        2 => connection.clone().prop_map(Step::Read),
        6 => (scope.clone(), prop::collection::vec(connection, 0..3))
            .prop_map(|(scope, except)| Step::Push(scope, except)),
        1 => scope.prop_map(Step::Disconnect),
        1 => room.clone().prop_map(Step::Watch),
        1 => room.prop_map(Step::Unwatch),
    ]
}

/// A connection, and its expected state.
struct Peer {
    connection: Connection,
    /// `None` once the connection has ended.
    entry: Option<Entry>,
    is_open: bool,
    rooms: BTreeSet<usize>,
    user: Option<usize>,
    waiting: Vec<String>,
}

impl Peer {
    fn enter(live: &Arc<Live>) -> Self {
        let limits = Limits {
            rooms: MAX_ROOMS,
            outbox_messages: MAX_WAITING,
            outbox_bytes: usize::MAX,
            overflow: Overflow::DropNewest,
            ..Limits::default()
        };
        let entry = live.enter(connection(live, &limits));
        let connection = entry.connection().clone();
        let (rooms, waiting) = (BTreeSet::new(), Vec::new());
        Self { connection, entry: Some(entry), is_open: true, rooms, user: None, waiting }
    }

    fn is_meant(&self, scope: Scope) -> bool {
        self.entry.is_some()
            && match scope {
                Scope::All | Scope::Controller => true,
                Scope::One(_) | Scope::OtherController | Scope::OtherRoom(_) => false,
                Scope::Room(room) => self.rooms.contains(&room),
                Scope::User(user) => self.user == Some(user),
            }
    }

    /// Models a push to this connection, and returns the expected counters.
    fn take(&mut self, text: &str) -> Delivery {
        let (sent, full, gone) = match (self.is_open, self.waiting.len() < MAX_WAITING) {
            (true, true) => (1, 0, 0),
            (true, false) => (0, 1, 0),
            (false, _) => (0, 0, 1),
        };
        self.waiting.extend((sent == 1).then(|| text.to_owned()));
        Delivery { sent, full, gone, ..Delivery::default() }
    }
}

struct World {
    live: Arc<Live>,
    peers: Vec<Peer>,
    /// Watches on rooms, and the events that they must return.
    watches: BTreeMap<usize, (Members, Vec<MemberEvent>)>,
    pushed: u64,
}

impl World {
    fn new() -> Self {
        let live = Arc::new(Live::default());
        let peers = (0..CONNECTIONS).map(|_| Peer::enter(&live)).collect();
        Self { live, peers, watches: BTreeMap::new(), pushed: 0 }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Enter(who) => {
                self.end(who);
                self.peers[who] = Peer::enter(&self.live);
            }
            Step::End(who) => self.end(who),
            Step::Join(who, room) => self.join(who, room),
            Step::Leave(who, room) => {
                let peer = &mut self.peers[who];
                let was_in = peer.rooms.remove(&room);
                assert_eq!(peer.connection.leave(room.to_string()), was_in);
                let id = peer.connection.id();
                if was_in {
                    self.tell(room, MemberEvent::Left(id));
                }
            }
            Step::Identify(who, user) => {
                let peer = &mut self.peers[who];
                let expected = if peer.entry.is_some() { Ok(()) } else { Err(JoinError::Closed) };
                assert_eq!(peer.connection.identify(user.to_string()), expected);
                if expected.is_ok() {
                    peer.user = Some(user);
                }
            }
            Step::Read(who) => {
                let peer = &mut self.peers[who];
                assert_eq!(received(&peer.connection), std::mem::take(&mut peer.waiting));
            }
            Step::Push(scope, except) => self.push(scope, &except),
            Step::Disconnect(scope) => self.disconnect(scope),
            Step::Watch(room) => {
                self.unwatch(room);
                let members = self.room(room).members();
                let mut now = members.now().to_vec();
                now.sort();
                assert_eq!(now, self.ids(Scope::Room(room), &[]));
                self.watches.insert(room, (members, Vec::new()));
            }
            Step::Unwatch(room) => self.unwatch(room),
        }
    }

    fn end(&mut self, who: usize) {
        let peer = &mut self.peers[who];
        if peer.entry.take().is_none() {
            return;
        }
        peer.user = None;
        let id = peer.connection.id();
        for room in std::mem::take(&mut peer.rooms) {
            self.tell(room, MemberEvent::Left(id));
        }
    }

    fn join(&mut self, who: usize, room: usize) {
        let peer = &mut self.peers[who];
        let expected = match &peer.entry {
            None => Err(JoinError::Closed),
            Some(_) if peer.rooms.contains(&room) => Ok(false),
            Some(_) if peer.rooms.len() == MAX_ROOMS => Err(JoinError::TooManyRooms { limit: MAX_ROOMS }),
            Some(_) => Ok(true),
        };
        assert_eq!(peer.connection.join(room.to_string()), expected);
        if expected == Ok(true) {
            peer.rooms.insert(room);
            let id = peer.connection.id();
            self.tell(room, MemberEvent::Joined(id));
        }
    }

    fn push(&mut self, scope: Scope, except: &[usize]) {
        self.pushed += 1;
        let text = text(0, self.pushed);
        let target = except
            .iter()
            .fold(self.target(scope), |target, who| target.except(self.peers[*who].connection.id()));
        let expected_ids = self.ids(scope, except);
        let mut ids = target.ids_local();
        ids.sort();
        assert_eq!((target.count_local(), ids), (expected_ids.len(), expected_ids.clone()));

        let mut expected = Delivery { gone: self.is_gone(scope).into(), ..Delivery::default() };
        for peer in self.peers.iter_mut().filter(|peer| expected_ids.contains(&peer.connection.id())) {
            let Delivery { sent, full, gone, .. } = peer.take(&text);
            expected.sent += sent;
            expected.full += full;
            expected.gone += gone;
        }
        assert_eq!(target.push(text), expected);
    }

    fn disconnect(&mut self, scope: Scope) {
        let target = self.target(scope);
        let ids = self.ids(scope, &[]);
        let mut expected = Delivery { gone: self.is_gone(scope).into(), ..Delivery::default() };
        for peer in self.peers.iter_mut().filter(|peer| ids.contains(&peer.connection.id())) {
            if std::mem::take(&mut peer.is_open) { expected.sent += 1 } else { expected.gone += 1 }
        }
        assert_eq!(target.disconnect(1000, "bye").unwrap(), expected);
    }

    fn unwatch(&mut self, room: usize) {
        let Some((mut members, expected)) = self.watches.remove(&room) else { return };
        let mut cx = Context::from_waker(Waker::noop());
        let mut received = Vec::new();
        while let Poll::Ready(Some(event)) = std::pin::pin!(members.next()).poll(&mut cx) {
            received.push(event);
        }
        assert_eq!(received, expected);
    }

    fn tell(&mut self, room: usize, event: MemberEvent) {
        if let Some((_, expected)) = self.watches.get_mut(&room) {
            expected.push(event);
        }
    }

    fn target(&self, scope: Scope) -> Target {
        struct Own;
        impl Controller for Own {}
        struct Other;
        impl Controller for Other {}

        // Connections without a route belong to the controller with the empty name.
        self.live.names().add(TypeId::of::<Own>(), "");
        let hub = Hub::new(&self.live);
        match scope {
            Scope::All => hub.all(),
            Scope::One(who) => hub.connection(self.peers[who].connection.id()),
            Scope::Controller => hub.controller::<Own>(),
            Scope::OtherController => hub.controller::<Other>(),
            Scope::Room(room) => Target::clone(&self.room(room)),
            Scope::OtherRoom(room) => Target::clone(&hub.room::<Other>(room.to_string())),
            Scope::User(user) => Target::clone(&hub.user(user.to_string())),
        }
    }

    fn room(&self, room: usize) -> Room {
        self.peers[0].connection.room(room.to_string())
    }

    fn ids(&self, scope: Scope, except: &[usize]) -> Vec<ConnectionId> {
        let is_meant = |at: usize, peer: &Peer| match scope {
            Scope::One(who) => at == who && peer.entry.is_some(),
            scope => peer.is_meant(scope),
        };
        let peers = self.peers.iter().enumerate();
        let meant = peers.filter(|(at, peer)| is_meant(*at, peer) && !except.contains(at));
        let mut ids: Vec<_> = meant.map(|(_, peer)| peer.connection.id()).collect();
        ids.sort();
        ids
    }

    /// Whether the target is one connection that has ended.
    fn is_gone(&self, scope: Scope) -> bool {
        matches!(scope, Scope::One(who) if self.peers[who].entry.is_none())
    }

    fn check(&self) {
        for peer in &self.peers {
            let connection = &peer.connection;
            let mut rooms: Vec<String> = connection.rooms().iter().map(ToString::to_string).collect();
            rooms.sort();
            assert_eq!(rooms, peer.rooms.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(connection.user().as_deref(), peer.user.map(|user| user.to_string()).as_deref());
            assert_eq!(connection.is_open(), peer.is_open);
        }
        let hub = Hub::new(&self.live);
        assert_eq!(hub.count_local(), self.ids(Scope::All, &[]).len());
        for room in 0..ROOMS {
            assert_eq!(self.room(room).count_local(), self.ids(Scope::Room(room), &[]).len());
        }
        // A room exists while it has members or watchers, a user while it has connections.
        let rooms = (0..ROOMS).filter(|room| {
            self.watches.contains_key(room) || self.peers.iter().any(|peer| peer.rooms.contains(room))
        });
        let users = (0..USERS).filter(|user| self.peers.iter().any(|peer| peer.user == Some(*user)));
        assert_eq!(self.live.groups().len(), rooms.count() + users.count());
    }
}

proptest! {
    #[test]
    fn the_hub_behaves_like_its_model(steps in prop::collection::vec(any_step(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
            world.check();
        }
        for room in 0..ROOMS {
            world.unwatch(room);
        }
        for who in 0..CONNECTIONS {
            world.end(who);
            world.step(Step::Read(who));
        }
        world.check();
        prop_assert_eq!((world.live.groups().len(), world.live.len()), (0, 0));
    }
}
