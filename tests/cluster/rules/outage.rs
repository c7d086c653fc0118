//! An outage of the broker.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use ws_core::{
    config::{Cluster, OnGap},
    hub::{ClusterChange, ClusterChanges, ClusterState, NotSent, Remote},
    testing::TestApp,
};

use crate::{
    brokers::{Broker, eventually, soon},
    nodes::{Room, connect, connect_plain, expect, hub, pair, pair_with},
};

rules! {
    local_pushes_are_delivered_and_remote_ones_are_queued_for_a_second,
    a_push_in_turns_during_an_outage_is_not_sent,
    the_changes_report_the_outage_and_a_bound_of_the_gap,
    no_node_is_declared_gone_because_the_broker_was_away,
    after_an_outage_messages_flow_again_in_both_directions,
    with_close_the_connections_with_a_group_are_closed_after_a_gap,
    with_keep_all_connections_stay_open_after_a_gap,
}

/// Stops the broker, and waits until a node has noticed.
async fn stop(broker: &Broker, node: &TestApp) {
    broker.stop();
    let cluster = hub(node).cluster();
    eventually("the link ends", || matches!(cluster.state(), ClusterState::Down { .. })).await;
}

async fn restart(broker: &Broker, nodes: [&TestApp; 2]) {
    broker.restart();
    for node in nodes {
        let cluster = hub(node).cluster();
        eventually("the link is back", || cluster.state() == ClusterState::Up).await;
    }
}

async fn local_pushes_are_delivered_and_remote_ones_are_queued_for_a_second(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut client, _) = connect(&a, "jerry", "lobby").await;
    let (_remote, remote) = connect(&b, "tom", "lobby").await;
    stop(broker, &a).await;
    let began = Instant::now();
    let dropped = hub(&a).cluster().stats().dropped;
    let room = hub(&a).room::<Room>("lobby");
    let mut queued = 0;
    let refused_after = loop {
        let delivery = room.push("still here");
        assert_eq!(delivery.sent, 1);
        expect(&mut client, "still here").await;
        match delivery.remote {
            Remote::Queued => queued += 1,
            Remote::NotSent(NotSent::Unreachable) => break began.elapsed(),
            other => panic!("{other:?}"),
        }
        sleep(Duration::from_millis(20)).await;
    };
    assert!(queued > 0);
    // The link may have ended before the node detected it.
    assert!(refused_after > Duration::from_millis(500), "{refused_after:?}");
    assert!(refused_after < Duration::from_millis(1500), "{refused_after:?}");
    let is_dropped = || hub(&a).cluster().stats().dropped == dropped + queued + 1;
    eventually("the queued messages are dropped", is_dropped).await;
    let delivery = hub(&a).connection(remote.id()).push("for the other node only");
    let expected = (0, 0, Remote::NotSent(NotSent::Unreachable));
    assert_eq!((delivery.sent, delivery.gone, delivery.remote), expected);
    let delivery = hub(&a).room::<Room>("lobby").disconnect(4000, "bye").unwrap();
    assert_eq!((delivery.sent, delivery.remote), (1, Remote::NotSent(NotSent::Unreachable)));
    assert_eq!(client.expect_close(4000).await, "bye");
}

async fn a_push_in_turns_during_an_outage_is_not_sent(broker: &Broker) {
    let (a, _b) = pair(broker).await;
    let (mut client, _) = connect(&a, "jerry", "lobby").await;
    stop(broker, &a).await;
    let room = hub(&a).room::<Room>("lobby");
    for (name, at_most) in [("queued", Duration::from_millis(1500)), ("refused", Duration::ZERO)] {
        let began = Instant::now();
        let delivery = soon(room.in_turns().push(name)).await;
        assert_eq!((delivery.sent, delivery.remote), (1, Remote::NotSent(NotSent::Unreachable)), "{name}");
        assert!(began.elapsed() <= at_most + Duration::from_millis(200), "{name}: {:?}", began.elapsed());
        expect(&mut client, name).await;
    }
}

/// Returns the next change, except for nodes that join.
async fn next(changes: &mut ClusterChanges) -> ClusterChange {
    loop {
        match soon(changes.next()).await.unwrap() {
            ClusterChange::NodeJoined { .. } => {}
            change => return change,
        }
    }
}

async fn the_changes_report_the_outage_and_a_bound_of_the_gap(broker: &Broker) {
    const HEARTBEAT: Duration = Duration::from_millis(500);
    let (a, b) = pair_with(broker, |settings| settings.heartbeat = HEARTBEAT).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    let mut changes = hub(&b).cluster().changes();
    // The last message that arrives marks the start of the gap.
    hub(&a).room::<Room>("lobby").push("the last");
    expect(&mut client, "the last").await;
    let last = Instant::now();
    stop(broker, &b).await;
    assert_eq!(next(&mut changes).await, ClusterChange::Down);
    let ClusterState::Down { since } = hub(&b).cluster().state() else { panic!("up") };
    assert!(since >= last && since <= Instant::now());
    sleep(Duration::from_millis(700)).await;
    assert_eq!(hub(&b).cluster().state(), ClusterState::Down { since });
    restart(broker, [&a, &b]).await;
    assert_eq!(next(&mut changes).await, ClusterChange::Up);
    let ClusterChange::Gap { at_most } = next(&mut changes).await else { panic!("no gap") };
    // It is at least as long as the outage, and begins at the last heartbeat at the earliest.
    assert!(at_most >= Duration::from_millis(700), "{at_most:?}");
    let most = last.elapsed() + HEARTBEAT * 2;
    assert!(at_most <= most, "{at_most:?} <= {most:?}");
    let stats = hub(&b).cluster().stats();
    assert_eq!(stats.reconnects, 1);
}

async fn no_node_is_declared_gone_because_the_broker_was_away(broker: &Broker) {
    let fast = |settings: &mut Cluster| {
        settings.heartbeat = Duration::from_millis(300);
        settings.node_timeout = Duration::from_secs(1);
    };
    let (a, _b) = pair_with(broker, fast).await;
    let mut changes = hub(&a).cluster().changes();
    stop(broker, &a).await;
    let until = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < until {
        assert_eq!(hub(&a).cluster().nodes().len(), 2);
        sleep(Duration::from_millis(50)).await;
    }
    broker.restart();
    eventually("the link is back", || hub(&a).cluster().state() == ClusterState::Up).await;
    // The other node may be silent for one second from now on. Its link may be back later than this
    // one.
    let until = Instant::now() + Duration::from_millis(700);
    while Instant::now() < until {
        assert_eq!(hub(&a).cluster().nodes().len(), 2);
        sleep(Duration::from_millis(50)).await;
    }
    let mut reported = Vec::new();
    while let Ok(Some(change)) = tokio::time::timeout(Duration::ZERO, changes.next()).await {
        reported.push(change);
    }
    assert!(
        matches!(*reported, [ClusterChange::Down, ClusterChange::Up, ClusterChange::Gap { .. }]),
        "{reported:?}"
    );
}

async fn after_an_outage_messages_flow_again_in_both_directions(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut one, _) = connect(&a, "jerry", "lobby").await;
    let (mut two, conn) = connect(&b, "tom", "lobby").await;
    for round in 0..2 {
        stop(broker, &a).await;
        restart(broker, [&a, &b]).await;
        let text = format!("round {round}");
        let room = hub(&a).room::<Room>("lobby");
        assert_eq!(room.in_turns().push(&*text).await.remote, Remote::Accepted);
        expect(&mut one, &text).await;
        expect(&mut two, &text).await;
        hub(&a).connection(conn.id()).push("to the connection");
        expect(&mut two, "to the connection").await;
        hub(&b).user("jerry").push("to the user");
        expect(&mut one, "to the user").await;
        assert_eq!(hub(&b).count().await, Ok(2));
        let stats = hub(&b).cluster().stats();
        assert_eq!((stats.late, stats.duplicates, stats.malformed), (0, 0, 0));
    }
}

async fn with_close_the_connections_with_a_group_are_closed_after_a_gap(broker: &Broker) {
    let (a, b) = pair_with(broker, |settings| settings.on_gap = OnGap::Close).await;
    let (mut in_room, _) = connect(&b, "jerry", "lobby").await;
    let (mut identified, conn) = connect_plain(&b).await;
    conn.identify("tom").unwrap();
    let (mut plain, _) = connect_plain(&b).await;
    stop(broker, &b).await;
    hub(&b).all().push("open during the outage");
    for client in [&mut in_room, &mut identified, &mut plain] {
        expect(client, "open during the outage").await;
    }
    restart(broker, [&a, &b]).await;
    in_room.expect_close(1012).await;
    identified.expect_close(1012).await;
    hub(&a).all().push("still open");
    expect(&mut plain, "still open").await;
    assert_eq!(hub(&b).count_local(), 1);
}

async fn with_keep_all_connections_stay_open_after_a_gap(broker: &Broker) {
    let (a, b) = pair_with(broker, |settings| settings.on_gap = OnGap::Keep).await;
    let (mut in_room, _) = connect(&b, "tom", "lobby").await;
    let (mut plain, _) = connect_plain(&b).await;
    stop(broker, &b).await;
    restart(broker, [&a, &b]).await;
    for node in [&a, &b] {
        hub(node).all().push("still open");
        expect(&mut in_room, "still open").await;
        expect(&mut plain, "still open").await;
    }
}
