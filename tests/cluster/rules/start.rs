//! The start of a node while the broker cannot be reached.

use futures_util::FutureExt as _;
use ws_core::{
    config::ClusterStart,
    hub::{ClusterState, NotSent, Reach, Remote},
};

use crate::{
    brokers::{Broker, eventually},
    nodes::{Room, app, connect_plain, expect, hub},
};

rules! {
    with_wait_a_node_is_ready_when_it_has_reached_the_broker_once,
    with_alone_a_node_is_ready_at_once,
    a_node_serves_its_own_connections_before_it_has_reached_the_broker,
}

async fn with_wait_a_node_is_ready_when_it_has_reached_the_broker_once(broker: &Broker) {
    broker.stop();
    let node = broker.start(app(), |settings| settings.start = ClusterStart::Wait).await;
    let (readiness, cluster) = (node.running().readiness(), hub(&node).cluster());
    for _ in 0..20 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert!(!readiness.is_ready());
        assert_eq!(cluster.state(), ClusterState::Joining);
    }
    broker.restart();
    assert!(readiness.ready().await);
    assert_eq!(cluster.state(), ClusterState::Up);
    broker.stop();
    eventually("the link ends", || cluster.state() != ClusterState::Up).await;
    for _ in 0..20 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert!(readiness.is_ready(), "a later outage does not change it");
    }
}

async fn with_alone_a_node_is_ready_at_once(broker: &Broker) {
    broker.stop();
    let node = broker.start(app(), |settings| settings.start = ClusterStart::Alone).await;
    assert!(node.running().readiness().is_ready());
    assert_eq!(hub(&node).cluster().state(), ClusterState::Joining);
    broker.restart();
    eventually("the node joins", || hub(&node).cluster().state() == ClusterState::Up).await;
    assert!(node.running().readiness().is_ready());
}

async fn a_node_serves_its_own_connections_before_it_has_reached_the_broker(broker: &Broker) {
    broker.stop();
    let a = broker.start(app(), |settings| settings.start = ClusterStart::Alone).await;
    let (mut client, conn) = connect_plain(&a).await;
    assert_eq!(conn.join_confirmed("lobby").await, Ok(Reach::Local));
    let room = conn.room("lobby");
    let delivery = room.in_turns().push("local").await;
    assert_eq!((delivery.sent, delivery.remote), (1, Remote::NotSent(NotSent::Unreachable)));
    expect(&mut client, "local").await;
    // The broker was unreachable for a second, so a join does not wait for it.
    assert_eq!(conn.join_confirmed("kitchen").now_or_never(), Some(Ok(Reach::Local)));
    let incomplete = room.count().await.unwrap_err();
    assert_eq!((incomplete.value, incomplete.missing), (1, Vec::new()), "no other node is known");
    broker.restart();
    let b = broker.node(app(), |_| {}).await;
    eventually("the first node joins", || hub(&a).cluster().state() == ClusterState::Up).await;
    hub(&b).room::<crate::nodes::Plain>("lobby").push("from the other node");
    expect(&mut client, "from the other node").await;
    assert_eq!(hub(&b).room::<Room>("lobby").count().await, Ok(0));
}
