//! The nodes of a cluster: the known ones, joins and leaves.

use std::time::Duration;

use tokio::time::Instant;
use ws_core::hub::{ClusterChange, ClusterState, NotSent, Remote};

use crate::{
    brokers::{Broker, eventually, soon},
    nodes::{Room, app, connect, expect, hub, know_each_other, node, pair, pair_with},
};

rules! {
    the_nodes_have_names_and_ids_and_counts_of_connections,
    a_node_that_joins_is_reported_once,
    a_node_that_stops_leaves_at_once_and_after_its_last_on_close,
    a_node_that_has_left_sends_nothing_and_its_changes_end,
    connections_of_a_node_that_has_left_are_gone,
}

async fn the_nodes_have_names_and_ids_and_counts_of_connections(broker: &Broker) {
    let (a, b) = pair_with(broker, |settings| settings.heartbeat = Duration::from_millis(100)).await;
    let _clients = [connect(&b, "tom", "lobby").await, connect(&b, "spike", "lobby").await];
    let (of_a, of_b) = (hub(&a).cluster(), hub(&b).cluster());
    eventually("the heartbeat has the connections", || of_a.nodes()[1].connections == 2).await;
    let (seen_by_a, seen_by_b) = (of_a.nodes(), of_b.nodes());
    assert_eq!([&*seen_by_a[0].name, &*seen_by_a[1].name], ["a", "b"]);
    assert_eq!([&*seen_by_b[0].name, &*seen_by_b[1].name], ["b", "a"]);
    assert_eq!([seen_by_a[0].id, seen_by_a[1].id], [seen_by_b[1].id, seen_by_b[0].id]);
    assert_ne!(seen_by_a[0].id, seen_by_a[1].id);
    assert_eq!(seen_by_b[0].connections, 2);
    assert_eq!(seen_by_a[1].versions, seen_by_a[0].versions);
    assert_eq!(seen_by_a[0].last_seen, Duration::ZERO);
    assert!(seen_by_a[1].last_seen < Duration::from_secs(1));
    let id = hub(&b).all().ids_local()[0].to_string();
    assert!(id.starts_with(&seen_by_b[0].id.to_string()), "{id}");
}

async fn a_node_that_joins_is_reported_once(broker: &Broker) {
    let fast = |settings: &mut ws_core::config::Cluster| settings.heartbeat = Duration::from_millis(100);
    let a = node(broker, "a", app(), fast).await;
    let mut changes = hub(&a).cluster().changes();
    let b = node(broker, "b", app(), fast).await;
    let c = node(broker, "c", app(), fast).await;
    know_each_other(&[&a, &b, &c]).await;
    let has_new_heartbeat =
        || hub(&a).cluster().nodes().iter().all(|it| it.last_seen < Duration::from_millis(90));
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        eventually("another heartbeat", has_new_heartbeat).await;
    }
    for node in [&b, &c] {
        let of = &hub(node).cluster().nodes()[0];
        let expected = ClusterChange::NodeJoined { id: of.id, name: of.name.clone() };
        assert_eq!(soon(changes.next()).await, Some(expected));
    }
    assert!(tokio::time::timeout(Duration::ZERO, changes.next()).await.is_err());
}

async fn a_node_that_stops_leaves_at_once_and_after_its_last_on_close(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut client, _) = connect(&a, "jerry", "lobby").await;
    let (mut leaving, _) = connect(&b, "tom", "lobby").await;
    let mut changes = hub(&a).cluster().changes();
    let id = hub(&b).cluster().nodes()[0].id;
    let began = Instant::now();
    let (report, reason) = tokio::join!(b.shutdown(), leaving.expect_close(1001));
    assert_eq!(report.closed, 1, "{reason}");
    let left = ClusterChange::NodeLeft { id, name: "b".into(), died: false };
    assert_eq!(soon(changes.next()).await, Some(left));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(hub(&a).cluster().nodes().len(), 1);
    // `on_close` has sent this.
    expect(&mut client, "farewell").await;
    assert_eq!(hub(&a).count().await, Ok(1));
}

async fn a_node_that_has_left_sends_nothing_and_its_changes_end(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let hub = hub(&b);
    let mut changes = hub.cluster().changes();
    b.shutdown().await;
    assert_eq!(hub.cluster().state(), ClusterState::Alone);
    assert_eq!(soon(changes.next()).await, None);
    assert_eq!(soon(hub.cluster().changes().next()).await, None);
    let room = hub.room::<Room>("lobby");
    let not_sent = Remote::NotSent(NotSent::Unreachable);
    assert_eq!(room.push("nobody").remote, not_sent);
    assert_eq!(soon(room.in_turns().push("nobody")).await.remote, not_sent);
    drop(a);
}

async fn connections_of_a_node_that_has_left_are_gone(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (client, conn) = connect(&b, "tom", "lobby").await;
    let target = hub(&a).connection(conn.id());
    assert_eq!(target.push("there").remote, Remote::Queued);
    drop(client);
    b.shutdown().await;
    eventually("the node has left", || hub(&a).cluster().nodes().len() == 1).await;
    let delivery = target.push("gone");
    assert_eq!((delivery.gone, delivery.remote), (1, Remote::None));
    assert_eq!(target.in_turns().push("gone").await.gone, 1);
    assert_eq!(target.disconnect(4000, "gone").unwrap().gone, 1);
    assert_eq!(target.count().await, Ok(0));
}
