//! Tests of delivery in turns: other tasks run between turns, a delivery holds one turn of
//! connections at most, and connections may open and close between two turns.

use std::{
    any::Any,
    cell::Cell,
    sync::atomic::AtomicUsize,
    task::{Wake, Waker},
};

use super::*;
use crate::{
    controller::Controller,
    fixed::MEMBERS_A_TURN as TURN,
    hub::walk::Walk,
    request::{Declared, Matched},
    socket::{SharedFrame, encode},
};

struct Chat;
impl Controller for Chat {}

struct Game;
impl Controller for Game {}

struct Late;
impl Controller for Late {}

/// A route for which only the name of the controller matters.
struct At(Arc<str>, &'static str);

impl Matched for At {
    fn pattern(&self) -> &Arc<str> {
        &self.0
    }

    fn controller(&self) -> &'static str {
        self.1
    }

    fn declared(&self) -> Option<&Declared> {
        None
    }

    fn counters(&self) -> Option<&Arc<crate::telemetry::RouteCounters>> {
        None
    }

    fn around(&self) -> Option<&(dyn Any + Send + Sync)> {
        None
    }

    fn error_handlers(&self) -> &(dyn Any + Send + Sync) {
        &()
    }
}

fn enter_at<C: Controller>(live: &Arc<Live>, _: C) -> Entry {
    let name = std::any::type_name::<C>();
    live.names().add(TypeId::of::<C>(), name);
    let mut handshake = handshake();
    handshake.set_route(Arc::new(At("/".into(), name)), Vec::new()).unwrap();
    live.enter(Connection::new(handshake, &Arc::default(), Arc::clone(live), None))
}

fn members(live: &Arc<Live>, room: &str, count: usize) -> Vec<Entry> {
    let entries: Vec<_> = (0..count).map(|_| enter(live)).collect();
    for entry in &entries {
        entry.connection().join(room).unwrap();
    }
    entries
}

/// Broadcasts, and calls `meanwhile` after the first turn.
async fn broadcast(target: &Target, text: String, meanwhile: impl FnOnce()) -> Delivery {
    let is_over = Cell::new(false);
    let delivered = async {
        let delivery = target.in_turns().push(text).await;
        is_over.set(true);
        delivery
    };
    let (delivery, ()) = tokio::join!(biased; delivered, async {
        assert!(!is_over.get(), "the first turn was the last one");
        meanwhile();
    });
    delivery
}

/// Counts the outboxes that received something.
#[derive(Default)]
struct Reached(AtomicUsize);

impl Reached {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Reached {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_broadcast_to_50_000_yields_after_every_turn_and_holds_one_turn_at_most() {
    let live = Arc::new(Live::default());
    let mut entries = members(&live, "r", 50_000);
    let (reached, alive) = (Arc::new(Reached::default()), Arc::new(()));
    let waker = Waker::from(Arc::clone(&reached));
    for connection in entries.iter().map(Entry::connection) {
        connection.context().set(Arc::clone(&alive));
        assert!(connection.outbox().register(&waker, true));
    }
    let room = entries[0].connection().room("r");
    let other = tokio::spawn(async move {
        let (mut runs, mut before) = (0, 0);
        while reached.count() < 25_000 {
            let now = reached.count();
            assert!(now - before <= TURN, "{} members without a pause", now - before);
            before = now;
            if now >= 10_000 {
                entries.truncate(25_000);
                let held = Arc::strong_count(&alive) - 1 - entries.len();
                assert!(held <= TURN, "{held} connections are held that have ended");
            }
            runs += 1;
            tokio::task::yield_now().await;
        }
        (runs, entries)
    });
    let delivery = room.in_turns().push("hi").await;
    let (runs, entries) = other.await.unwrap();
    assert_eq!((delivery.sent, delivery.full), (entries.len(), 0));
    assert!(runs >= 25_000 / TURN, "{runs} runs");
}

#[tokio::test]
async fn an_event_yields_after_every_turn() {
    let live = Arc::new(Live::default());
    let _entries = members(&live, "r", 4 * TURN);
    let (hub, turns, is_over) = (Hub::new(&live), Cell::new(0), Cell::new(false));
    let event = async {
        let delivery = hub.all().in_turns().event("said", "hi").await;
        is_over.set(true);
        delivery
    };
    let (delivery, ()) = tokio::join!(biased; event, async {
        while !is_over.get() {
            turns.set(turns.get() + 1);
            tokio::task::yield_now().await;
        }
    });
    assert_eq!((delivery.sent, turns.get()), (4 * TURN, 4));
}

#[tokio::test]
async fn members_that_join_and_leave_between_two_turns_get_it_at_most_once() {
    let live = Arc::new(Live::default());
    let mut entries: Vec<_> = members(&live, "r", 3 * TURN).into_iter().map(Some).collect();
    let connections: Vec<_> = entries.iter().flatten().map(|entry| entry.connection().clone()).collect();
    let (early, left, rejoined, ended) = (0, TURN + 1, TURN + 2, 2 * TURN + 1);
    let late = enter(&live);
    let room = connections[0].room("r");
    let delivery = broadcast(&room, text(0, 1), || {
        for at in [early, rejoined] {
            connections[at].leave("r");
            connections[at].join("r").unwrap();
        }
        connections[left].leave("r");
        entries[ended] = None;
        late.connection().join("r").unwrap();
    })
    .await;
    let again = room.in_turns().push(text(0, 2)).await;

    let both = [text(0, 1), text(0, 2)];
    let mut got_it = 0;
    for (at, connection) in connections.iter().chain([late.connection()]).enumerate() {
        let got = received(connection);
        got_it += usize::from(got.contains(&both[0]));
        if at == left || at == ended {
            assert_eq!(got, Vec::<String>::new(), "{at}");
        } else if at == rejoined || at == connections.len() {
            assert!(got == both || got == both[1..], "{at}: {got:?}");
        } else {
            assert_eq!(got, both, "{at}");
        }
    }
    assert_eq!((delivery.sent, delivery.full), (got_it, 0));
    assert_eq!(again, Delivery { sent: connections.len() - 1, ..Delivery::default() });
}

#[tokio::test]
async fn a_room_that_is_entered_again_between_two_turns_is_another() {
    let live = Arc::new(Live::default());
    let entries = members(&live, "r", 2 * TURN);
    let room = entries[0].connection().room("r");
    let delivery = broadcast(&room, text(0, 1), || {
        for entry in &entries {
            entry.connection().leave("r");
        }
        assert_eq!(live.groups().len(), 0);
        entries[0].connection().join("r").unwrap();
    })
    .await;
    assert_eq!(delivery.sent, TURN);
    assert_eq!(received(entries[0].connection()), [text(0, 1)], "once");
}

#[test]
fn a_member_that_leaves_while_its_turn_is_delivered_gets_nothing() {
    let live = Arc::new(Live::default());
    let entries: Vec<_> = (0..4).map(|_| enter(&live)).collect();
    let [leaves, stays, returns, elsewhere] = [0, 1, 2, 3].map(|index: usize| entries[index].connection());
    for member in [leaves, stays, returns, elsewhere] {
        member.join("r").unwrap();
        member.join("other").unwrap();
    }
    let room = stays.room("r");
    let mut walk = Walk::new(&room);
    assert!(walk.advance());
    leaves.leave("r");
    returns.leave("r");
    returns.join("r").unwrap();
    elsewhere.leave("other");
    walk.push(&mut SharedFrame::new(encode(text(0, 1).into())));
    assert_eq!(received(leaves), Vec::<String>::new());
    for member in [stays, returns, elsewhere] {
        assert_eq!(received(member), [text(0, 1)]);
    }
    assert_eq!((walk.delivery().sent, walk.delivery().gone), (3, 1));
}

#[tokio::test]
async fn every_connection_is_reached_once_while_others_join_and_leave() {
    let live = Arc::new(Live::default());
    let mut entries: Vec<_> = (0..TURN)
        .flat_map(|_| [enter_at(&live, Chat), enter_at(&live, Game), enter_at(&live, Game)])
        .collect();
    let gone: Vec<_> = entries.drain(TURN..TURN + 100).collect();
    let connections: Vec<_> = gone.iter().map(|entry| entry.connection().clone()).collect();
    let mut late = Vec::new();
    broadcast(&Hub::new(&live).all(), text(0, 1), || {
        drop(gone);
        late.extend((0..100).map(|_| enter_at(&live, Late)));
    })
    .await;
    for entry in &entries {
        assert_eq!(received(entry.connection()), [text(0, 1)]);
    }
    for connection in connections.iter().chain(late.iter().map(Entry::connection)) {
        assert!(received(connection).len() <= 1);
    }
}

#[test]
fn a_turn_of_a_controller_has_only_its_own_connections() {
    let live = Arc::new(Live::default());
    let _strangers: Vec<_> = (0..2 * TURN).map(|_| enter_at(&live, Chat)).collect();
    let own: Vec<_> = (0..3).map(|_| enter_at(&live, Game)).collect();
    let mut turn = Vec::new();
    live.take(Some(std::any::type_name::<Game>()), &mut Default::default(), &mut turn);
    let ids = |connections: &mut dyn Iterator<Item = &Connection>| {
        let mut ids: Vec<_> = connections.map(Connection::id).collect();
        ids.sort();
        ids
    };
    let own = ids(&mut own.iter().map(Entry::connection));
    assert_eq!(ids(&mut turn.iter().map(|it| &it.connection)), own, "and in one turn");

    let target = Hub::new(&live).controller::<Game>();
    let mut meant = target.ids_local();
    meant.sort();
    assert_eq!((target.count_local(), &meant), (3, &own));
    assert_eq!((target.push("hi").sent, target.except(own[0]).count_local()), (3, 2));
}

#[test]
fn each_call_to_a_large_room_reaches_all_members() {
    let live = Arc::new(Live::default());
    let entries = members(&live, "r", 2 * TURN);
    let room = entries[0].connection().room("r");
    let but_one = room.clone().except(entries[7].connection().id());
    let mut ids = room.ids_local();
    ids.sort();
    assert_eq!(ids, entries.iter().map(|entry| entry.connection().id()).collect::<Vec<_>>());
    assert_eq!(
        (room.count_local(), but_one.count_local(), but_one.ids_local().len()),
        (2 * TURN, 2 * TURN - 1, 2 * TURN - 1)
    );
    assert_eq!(room.event("said", "hi").sent, 2 * TURN);
    assert_eq!(room.push("hi").sent, 2 * TURN);
    assert_eq!(but_one.disconnect(1000, "bye").unwrap().sent, 2 * TURN - 1);
    assert!(entries.iter().enumerate().all(|(at, entry)| entry.connection().is_open() == (at == 7)));
}
