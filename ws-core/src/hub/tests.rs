//! Tests of the hub's guarantees while many threads join, leave and push at once.
//!
//! `chance` adds random steps on many threads. `model` compares the hub with a model, step by step
//! on one thread. `turns` covers members that join and leave between two turns of one delivery.

mod chance;
mod model;
mod turns;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use futures_util::FutureExt as _;

use super::*;
use crate::{config::Limits, fixed, request::Handshake, socket::OutQueue};

pub(super) fn enter(live: &Arc<Live>) -> Entry {
    // No limits, so that no push is refused.
    let limits = Limits { outbox_messages: usize::MAX, outbox_bytes: usize::MAX, ..Limits::default() };
    live.enter(connection(live, &limits))
}

fn connection(live: &Arc<Live>, limits: &Limits) -> Connection {
    Connection::new(handshake(), &Arc::new(limits.clone()), Arc::clone(live), None)
}

fn handshake() -> Handshake {
    let (parts, ()) = http::Request::new(()).into_parts();
    Handshake::new(parts, "ws".into(), None)
}

/// Returns the texts that reached an outbox, in order. Each must be shorter than 126 bytes.
fn received(connection: &Connection) -> Vec<String> {
    let mut out = OutQueue::default();
    connection.outbox().collect(&mut out, usize::MAX, None);
    let mut bytes = Vec::new();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    while !out.is_empty() && out.poll_write(&mut bytes, &mut cx).is_ready() {}
    let (mut texts, mut rest) = (Vec::new(), bytes.as_slice());
    while let [_, length, payload @ ..] = rest {
        let (text, behind) = payload.split_at(usize::from(*length));
        texts.push(String::from_utf8(text.to_vec()).unwrap());
        rest = behind;
    }
    texts
}

fn text(sender: u64, number: u64) -> String {
    format!("{sender}-{number:010}")
}

#[test]
fn no_message_reaches_a_member_after_its_leave_and_none_is_missed_after_its_join() {
    join_and_leave(0, 300);
}

#[test]
fn the_same_holds_for_a_push_of_several_turns() {
    join_and_leave(fixed::MEMBERS_A_TURN, 30);
}

/// Runs three members that join and leave this number of times, behind `crowd` other members, while
/// one publisher pushes.
fn join_and_leave(crowd: usize, times: usize) {
    let live = Arc::new(Live::default());
    let crowd: Vec<_> = (0..crowd).map(|_| live.enter(connection(&live, &chance::short_outbox()))).collect();
    for one in &crowd {
        one.connection().join("r").unwrap();
    }
    // The numbers of pushes that have begun, and that are done.
    let (begun, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let stop = Arc::new(AtomicBool::new(false));
    let watcher = enter(&live);
    let publisher = {
        let (room, begun, done, stop) =
            (watcher.connection().room("r"), Arc::clone(&begun), Arc::clone(&done), Arc::clone(&stop));
        thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                let number = begun.fetch_add(1, Ordering::SeqCst);
                room.push(text(0, number));
                done.store(number + 1, Ordering::SeqCst);
                // Without this, members would wait for whole time slices if there are more threads
                // than cores.
                thread::yield_now();
            }
        })
    };
    let members: Vec<_> = (0..3)
        .map(|_| {
            let (live, begun, done) = (Arc::clone(&live), Arc::clone(&begun), Arc::clone(&done));
            thread::spawn(move || {
                let entry = enter(&live);
                let conn = entry.connection();
                for _ in 0..times {
                    conn.join("r").unwrap();
                    let from = begun.load(Ordering::SeqCst);
                    while done.load(Ordering::SeqCst) < from + 3 {
                        thread::yield_now();
                    }
                    let until = done.load(Ordering::SeqCst);
                    conn.leave("r");
                    let got = received(conn);
                    for number in from..until {
                        assert!(got.contains(&text(0, number)), "{number} of {from}..{until} was missed");
                    }
                    let mut sorted = got.clone();
                    sorted.sort();
                    assert_eq!(got, sorted, "in the order of the sender, each once");
                    // Pushes from now on must not reach this member.
                    let after = begun.load(Ordering::SeqCst);
                    while done.load(Ordering::SeqCst) < after + 2 {
                        thread::yield_now();
                    }
                    assert_eq!(received(conn), Vec::<String>::new(), "after leave");
                }
            })
        })
        .collect();
    for member in members {
        member.join().unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    publisher.join().unwrap();
    drop((watcher, crowd));
    assert_eq!((live.groups().len(), live.len()), (0, 0), "empty rooms are removed");
}

#[test]
fn the_order_of_each_sender_is_kept_among_other_senders() {
    let live = Arc::new(Live::default());
    let entries: Vec<_> = (0..5).map(|_| enter(&live)).collect();
    for entry in &entries {
        entry.connection().join("r").unwrap();
    }
    thread::scope(|scope| {
        for sender in 0..4 {
            let room = entries[0].connection().room("r");
            scope.spawn(move || {
                for number in 0..500 {
                    assert_eq!(room.push(text(sender, number)).sent, 5);
                }
            });
        }
    });
    for entry in &entries {
        let got = received(entry.connection());
        assert_eq!(got.len(), 2000);
        for sender in 0..4 {
            let of_sender: Vec<_> =
                got.iter().filter(|text| text.starts_with(&format!("{sender}-"))).cloned().collect();
            let sent: Vec<_> = (0..500).map(|number| text(sender, number)).collect();
            assert_eq!(of_sender, sent);
        }
    }
}

#[test]
fn an_ended_entry_leaves_all_groups_and_joins_none() {
    let live = Arc::new(Live::default());
    let entry = enter(&live);
    let conn = entry.connection().clone();
    conn.join("a").unwrap();
    conn.join("b").unwrap();
    conn.identify("u").unwrap();
    assert_eq!(live.groups().len(), 3);
    assert_eq!((conn.rooms(), conn.user()), (vec!["a".into(), "b".into()], Some("u".into())));
    drop(entry);
    assert_eq!((live.groups().len(), conn.rooms().len(), conn.user()), (0, 0, None));
    assert_eq!(conn.join("a"), Err(JoinError::Closed));
    assert_eq!(conn.identify("u"), Err(JoinError::Closed));
    assert_eq!(live.groups().len(), 0);
}

#[test]
fn rooms_are_bounded_in_number_and_names_in_bytes() {
    let live = Arc::new(Live::default());
    let entry = enter(&live);
    let conn = entry.connection();
    for number in 0..64 {
        assert_eq!(conn.join(number.to_string()), Ok(true));
    }
    assert_eq!(conn.join("0"), Ok(false), "it is already in the room");
    assert_eq!(conn.join("64"), Err(JoinError::TooManyRooms { limit: 64 }));
    assert!(conn.leave("0") && !conn.leave("0"));
    assert_eq!(conn.join("64"), Ok(true));
    assert_eq!(conn.identify("x".repeat(257)), Err(JoinError::NameTooLong { size: 257 }));
}

#[test]
fn a_connection_has_one_user_at_a_time() {
    let live = Arc::new(Live::default());
    let (hub, entry) = (Hub::new(&live), enter(&live));
    entry.connection().identify("a").unwrap();
    entry.connection().identify("b").unwrap();
    assert_eq!((hub.user("a").count_local(), hub.user("b").count_local()), (0, 1));
}

#[test]
fn a_connection_of_another_node_is_not_the_one_of_the_same_number() {
    let live = Arc::new(Live::default());
    let (hub, entry) = (Hub::new(&live), enter(&live));
    let own = entry.connection().id();
    let node = u32::from_str_radix(own.to_string().split_once('-').unwrap().0, 16).unwrap();
    let other = format!("{:08x}-{:x}", node ^ 1, own.sequence()).parse().unwrap();
    assert!(hub.get_local(own).is_some() && hub.get_local(other).is_none());
    assert_eq!(hub.connection(other).push("hi"), Delivery { gone: 1, ..Delivery::default() });
}

#[tokio::test]
async fn a_watch_of_an_empty_room_ends_with_its_watcher() {
    let live = Arc::new(Live::default());
    let entry = enter(&live);
    let conn = entry.connection();
    let mut members = conn.room("r").members();
    assert!(members.now().is_empty());
    conn.join("r").unwrap();
    conn.leave("r");
    assert_eq!(members.next().await, Some(MemberEvent::Joined(conn.id())));
    assert_eq!(members.next().await, Some(MemberEvent::Left(conn.id())));
    assert_eq!(live.groups().len(), 1);
    drop(members);
    assert_eq!(live.groups().len(), 0);
}

#[tokio::test]
async fn a_slow_watcher_gets_the_number_of_missed_changes() {
    let live = Arc::new(Live::default());
    let entry = enter(&live);
    let mut members = entry.connection().room("r").members();
    for _ in 0..200 {
        entry.connection().join("r").unwrap();
        entry.connection().leave("r");
    }
    assert_eq!(members.next().await, Some(MemberEvent::Lagged(400 - 256)));
    assert_eq!(members.next().await, Some(MemberEvent::Joined(entry.connection().id())));
}

#[tokio::test]
async fn presence_is_the_first_connection_and_the_last() {
    let live = Arc::new(Live::default());
    let mut presence = Hub::new(&live).user("u").presence();
    assert!(!presence.is_online());
    let (first, second) = (enter(&live), enter(&live));
    first.connection().identify("u").unwrap();
    second.connection().identify("u").unwrap();
    drop(first);
    drop(second);
    assert_eq!(presence.next().await, Some(PresenceEvent::Online));
    assert_eq!(presence.next().await, Some(PresenceEvent::Offline));
}

#[tokio::test]
async fn without_a_cluster_a_watch_is_settled_at_once_and_never_stale() {
    let live = Arc::new(Live::default());
    let entry = enter(&live);
    let (conn, hub) = (entry.connection(), Hub::new(&live));
    conn.identify("u").unwrap();
    conn.join("r").unwrap();
    let (mut members, mut users) = (conn.room("r").members(), conn.room("r").users());
    let mut presence = hub.user("u").presence();
    conn.leave("r");
    conn.identify("v").unwrap();
    for settled in
        [members.settled().now_or_never(), users.settled().now_or_never(), presence.settled().now_or_never()]
    {
        assert_eq!(settled, Some(()));
    }
    assert!(!members.is_stale() && !users.is_stale() && !presence.is_stale());
    // Earlier changes are neither skipped nor repeated.
    assert_eq!((members.now(), &*users.now().join(" "), presence.is_online()), (&[conn.id()][..], "u", true));
    assert_eq!(members.current(), []);
    assert_eq!(members.next().await, Some(MemberEvent::Left(conn.id())));
    assert_eq!(presence.next().await, Some(PresenceEvent::Offline));
    conn.join("r").unwrap();
    assert_eq!(users.next().await, Some(UserEvent::Joined("v".into())));
    let member = Member { id: conn.id(), user: Some("v".into()) };
    assert_eq!(members.current(), [member]);
    conn.identify("w").unwrap();
    assert_eq!(users.next().await, Some(UserEvent::Joined("w".into())));
    assert_eq!(members.next().await, Some(MemberEvent::Joined(conn.id())));
}

#[tokio::test]
async fn a_presence_that_missed_changes_reports_the_outcome() {
    let live = Arc::new(Live::default());
    let entry = enter(&live);
    let mut presence = Hub::new(&live).user("u").presence();
    for _ in 0..200 {
        entry.connection().identify("u").unwrap();
        entry.connection().identify("v").unwrap();
    }
    entry.connection().identify("u").unwrap();
    assert_eq!(presence.next().await, Some(PresenceEvent::Lagged(401 - 256)));
    assert_eq!(presence.next().await, Some(PresenceEvent::Online));
    entry.connection().identify("v").unwrap();
    assert_eq!(presence.next().await, Some(PresenceEvent::Offline));
}
