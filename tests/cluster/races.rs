//! Rules of links, goodbyes and closed nodes, over the broker in memory, under paused time.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use ws_core::{
    Hub,
    hub::{ClusterChange, ClusterChanges, ClusterState, NotSent, Remote},
    prelude::*,
    testing::{TestApp, TestCluster},
};

use crate::{brokers::eventually, rules::app};

async fn nodes<const N: usize>(cluster: &TestCluster) -> [TestApp; N] {
    let mut nodes = Vec::new();
    for _ in 0..N {
        nodes.push(cluster.start(app()).await);
    }
    eventually("the nodes know each other", || {
        nodes.iter().all(|node| node.running().hub().cluster().nodes().len() == N)
    })
    .await;
    nodes.try_into().unwrap()
}

fn hub(node: &TestApp) -> Hub {
    node.running().hub()
}

async fn left(changes: &mut ClusterChanges) -> bool {
    loop {
        match changes.next().await {
            Some(ClusterChange::NodeLeft { died, .. }) => return died,
            Some(_) => {}
            None => panic!("the changes have ended"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_link_is_up_at_the_first_attempt() {
    let cluster = TestCluster::new();
    let [a] = nodes(&cluster).await;
    for round in 0..40 {
        cluster.stop_broker();
        cluster.start_broker();
        let began = Instant::now();
        eventually("the link is up again", || hub(&a).cluster().stats().reconnects == round + 1).await;
        assert!(began.elapsed() < Duration::from_secs(1), "{:?} in round {round}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_dropped_without_a_shutdown_says_goodbye() {
    let cluster = TestCluster::new();
    let [a, b] = nodes(&cluster).await;
    let mut changes = hub(&a).cluster().changes();
    let began = Instant::now();
    drop(b);
    assert!(!left(&mut changes).await, "it has not died");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn after_a_node_has_left_nothing_is_queued_and_nothing_waits() {
    for is_stopped in [false, true] {
        let cluster = TestCluster::new();
        let [a, _b] = nodes(&cluster).await;
        let hub = hub(&a);
        let mut changes = hub.cluster().changes();
        let waits = if is_stopped {
            cluster.stop_broker();
            eventually("the link is down", || hub.cluster().state() != ClusterState::Up).await;
            let hub = hub.clone();
            Some(tokio::spawn(async move { hub.all().in_turns().push("before").await }))
        } else {
            None
        };
        tokio::task::yield_now().await;
        a.shutdown().await;
        let not_sent = Remote::NotSent(NotSent::Unreachable);
        if let Some(waits) = waits {
            let delivery = timeout(Duration::from_secs(5), waits).await.expect("it waits for ever").unwrap();
            assert_eq!(delivery.remote, not_sent);
        }
        assert_eq!(hub.cluster().state(), ClusterState::Alone);
        assert_eq!(hub.all().push("after").remote, not_sent);
        let after = timeout(Duration::from_secs(5), hub.all().in_turns().push("after")).await;
        assert_eq!(after.expect("it waits for ever").remote, not_sent);
        timeout(Duration::from_secs(5), async { while changes.next().await.is_some() {} })
            .await
            .expect("the changes end");
    }
}

#[tokio::test(start_paused = true)]
async fn more_excepted_connections_than_a_message_can_name_are_too_large() {
    let cluster = TestCluster::new();
    let [a, b] = nodes(&cluster).await;
    let mut client = b.connect("/room/tom").await.unwrap();
    let id: ConnectionId = client.next_text().await.unwrap().parse().unwrap();
    for (count, expected) in [(65_535, Remote::Queued), (65_536, Remote::NotSent(NotSent::TooLarge))] {
        let mut target = hub(&a).all();
        for _ in 0..count {
            target = target.except(id);
        }
        assert_eq!(target.push("not for tom").remote, expected, "{count}");
    }
    hub(&a).all().push("for all");
    assert_eq!(client.next_text().await.unwrap(), "for all");
    assert_eq!(hub(&b).cluster().stats().malformed, 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_held_when_the_faults_end_is_still_delivered() {
    let cluster = TestCluster::new();
    let [a, b] = nodes(&cluster).await;
    let mut client = b.connect("/room/tom").await.unwrap();
    client.next_text().await.unwrap();
    cluster.between(&a, &b).swap_next(1);
    hub(&a).all().in_turns().push("held").await;
    cluster.between(&a, &b).heal();
    assert_eq!(client.next_text().await.unwrap(), "held");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_has_just_joined_counts_the_members_of_nodes_that_it_does_not_know_yet() {
    let cluster = TestCluster::new();
    let [a] = nodes(&cluster).await;
    let mut client = a.connect("/room/tom").await.unwrap();
    let id: ConnectionId = client.next_text().await.unwrap().parse().unwrap();
    let b = cluster.start_alone(app()).await;
    cluster.between(&a, &b).delay(Duration::from_millis(20));
    while hub(&b).cluster().state() != ClusterState::Up {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(hub(&b).cluster().nodes().len(), 1, "the other node is not known yet");
    assert_eq!(hub(&b).count().await, Ok(1));
    assert_eq!(hub(&b).user("tom").ids().await, Ok(vec![id]));
    assert_eq!(hub(&b).cluster().nodes().len(), 2);
}
