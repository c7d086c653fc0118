//! Tests of two registries in one process, which are joined by the broker in memory.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{Connector, memory::MemoryBroker};
use crate::{
    config, fixed,
    hub::{Entry, Hub, Live, MemberEvent, Room, UserEvent, tests::enter},
};

/// Two nodes that know each other.
async fn pair() -> [Arc<Live>; 2] {
    let broker = MemoryBroker::default();
    let [a, b] = std::array::from_fn(|_| {
        let live = Arc::new(Live::default());
        live.join_cluster(config::Cluster::default(), Connector::Memory(broker.member()));
        live
    });
    while [&a, &b].iter().any(|live| Hub::new(live).cluster().nodes().len() < 2) {
        sleep(Duration::from_millis(10)).await;
    }
    [a, b]
}

#[tokio::test(start_paused = true)]
async fn more_ids_than_fit_into_a_message_are_answered_in_parts() {
    let [a, b] = pair().await;
    for connections in [fixed::IDS_A_PART, fixed::IDS_A_PART * 2 + 1] {
        let entries: Vec<_> = (0..connections).map(|_| enter(&b)).collect();
        let own = enter(&a);
        let mut expected: Vec<_> = entries.iter().map(|entry| entry.connection().id()).collect();
        expected.push(own.connection().id());
        let mut ids = Hub::new(&a).all().ids().await.unwrap();
        let key = |id: &crate::ConnectionId| (id.node(), id.sequence());
        ids.sort_by_key(key);
        expected.sort_by_key(key);
        assert_eq!(ids.len(), expected.len());
        assert_eq!(ids, expected);
    }
}

/// The room of this name, of the controller of the tests' connections.
fn room(live: &Arc<Live>) -> Room {
    live.names().add(std::any::TypeId::of::<Live>(), "");
    Room::of_controller(live, "", "r")
}

#[tokio::test(start_paused = true)]
async fn a_roster_and_changes_that_do_not_fit_into_a_message_are_sent_in_parts() {
    let [a, b] = pair().await;
    let (on_a, _on_b) = (room(&a), room(&b));
    let entries: Vec<_> = (0..5000).map(|_| enter(&b)).collect();
    let join = |entries: &[Entry]| {
        for entry in entries {
            let connection = entry.connection();
            connection.identify(format!("{}{}", "u".repeat(40), connection.id().sequence())).unwrap();
            connection.join("r").unwrap();
        }
    };
    join(&entries[..3000]);
    let mut members = on_a.members();
    members.settled().await;
    assert_eq!(members.now().len(), 3000);
    join(&entries[3000..]);
    sleep(Duration::from_millis(200)).await;
    let mut current = members.current();
    current.sort_by_key(|member| member.id.sequence());
    assert_eq!(current.len(), entries.len());
    for (member, entry) in current.iter().zip(&entries) {
        assert_eq!((member.id, &member.user), (entry.connection().id(), &entry.connection().user()));
    }
    // A watcher that has read nothing meanwhile gets the number of missed changes, and continues.
    assert_eq!(members.next().await, Some(MemberEvent::Lagged(2000 - 256)));
    assert!(matches!(members.next().await, Some(MemberEvent::Joined(_))));
    let mut users = on_a.users();
    users.settled().await;
    assert_eq!(users.now().len(), entries.len());
    drop(entries);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(members.current(), []);
    for _ in 0..5000 {
        assert!(matches!(users.next().await, Some(UserEvent::Left(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_that_was_watched_by_another_node_is_forgotten() {
    let [a, b] = pair().await;
    let (on_a, _on_b) = (room(&a), room(&b));
    let entry = enter(&b);
    entry.connection().join("r").unwrap();
    let mut members = on_a.members();
    members.settled().await;
    assert_eq!(members.now(), [entry.connection().id()]);
    assert_eq!((a.groups().len(), b.groups().len()), (1, 1));
    drop(entry);
    assert_eq!(members.next().await, Some(MemberEvent::Left(members.now()[0])));
    assert_eq!(b.groups().len(), 1, "it is watched");
    sleep(fixed::WATCH_REMEMBERED * 2).await;
    assert_eq!(b.groups().len(), 0, "nothing renews the watch of a group without members");
    drop(members);
    assert_eq!(a.groups().len(), 0);
}
