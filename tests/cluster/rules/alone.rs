//! A process without a cluster.

use futures_util::FutureExt as _;
use ws_core::{
    hub::{ClusterState, ClusterStats, Reach, Remote},
    testing::TestApp,
};

use crate::{
    brokers::config,
    nodes::{Room, app, expect, hub, opened},
};

#[tokio::test]
async fn without_a_cluster_every_call_is_about_this_process() {
    let node = TestApp::start(app().config(config(None))).await;
    let cluster = hub(&node).cluster();
    assert_eq!(cluster.state(), ClusterState::Alone);
    assert_eq!(cluster.nodes(), []);
    assert_eq!(cluster.changes().next().now_or_never(), Some(None));
    assert_eq!(cluster.stats(), ClusterStats::default());
    assert!(node.running().readiness().is_ready());
    let client = node.connect("/room/tom?lobby").await.unwrap();
    let (mut client, conn) = opened(&node, client).await;
    assert_eq!(conn.join_confirmed("kitchen").now_or_never(), Some(Ok(Reach::Cluster)));
    for target in [
        hub(&node).all(),
        hub(&node).controller::<Room>(),
        (*hub(&node).room::<Room>("lobby")).clone(),
        (*hub(&node).user("tom")).clone(),
        hub(&node).connection(conn.id()),
    ] {
        let delivery = target.push("push");
        assert_eq!((delivery.sent, delivery.remote), (1, Remote::None));
        let delivery = target.in_turns().push("push").await;
        assert_eq!((delivery.sent, delivery.remote), (1, Remote::None));
        assert_eq!(target.count().now_or_never(), Some(Ok(1)));
        assert_eq!(target.ids().now_or_never(), Some(Ok(vec![conn.id()])));
        expect(&mut client, "push").await;
        expect(&mut client, "push").await;
    }
}
