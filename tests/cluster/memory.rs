//! Rules that need the faults of the broker in memory.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use ws_core::{
    hub::{ClusterChange, ClusterState, Remote},
    testing::{Between, TestApp},
};

use crate::{
    brokers::{Broker, eventually, soon},
    nodes::{Room, app, connect, expect, hub, know_each_other, node, pair},
};

pub(crate) fn between<'a>(broker: &'a Broker, from: &TestApp, to: &TestApp) -> Between<'a> {
    match broker {
        Broker::Memory(cluster) => cluster.between(from, to),
        Broker::Redis(_) | Broker::Nats(_) => panic!("not in memory"),
    }
}

/// Replaces the link of a node: its heartbeats do not come back, until the link has ended.
async fn replace_link(broker: &Broker, node: &TestApp) {
    let mut changes = hub(node).cluster().changes();
    between(broker, node, node).cut();
    while soon(changes.next()).await != Some(ClusterChange::Down) {}
    // Without a pause, because the next link may begin within the millisecond.
    between(broker, node, node).heal();
}

async fn wait_until_up(node: &TestApp) {
    let cluster = hub(node).cluster();
    eventually("the link is up", || cluster.state() == ClusterState::Up).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_without_an_answer_is_named_after_a_second() {
    let broker = Broker::memory();
    let (a, b) = pair(&broker).await;
    let c = node(&broker, "c", app(), |_| {}).await;
    know_each_other(&[&a, &b, &c]).await;
    let mut clients = Vec::new();
    for node in [&a, &b, &c] {
        clients.push(connect(node, "tom", "lobby").await);
    }
    // The question is lost on its way to one node, and then the answer on its way back.
    for (from, to, missing, other) in [(&a, &b, "b", 2), (&c, &a, "c", 1)] {
        between(&broker, from, to).drop_next(2);
        let began = Instant::now();
        let incomplete = hub(&a).count().await.unwrap_err();
        assert_eq!((incomplete.value, &*incomplete.missing), (2, &[missing.to_owned()][..]));
        assert_eq!(began.elapsed().as_secs(), 1);
        let incomplete = hub(&a).user("tom").ids().await.unwrap_err();
        let expected = [clients[0].1.id(), clients[other].1.id()];
        assert_eq!(&*incomplete.value, expected);
        assert_eq!(incomplete.to_string(), format!("no answer from node {missing}"));
        assert_eq!(hub(&a).count().await, Ok(3));
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_silent_for_node_timeout_has_died() {
    let broker = Broker::memory();
    let (a, b) = pair(&broker).await;
    let mut changes = hub(&a).cluster().changes();
    let (id, name) = (hub(&b).cluster().nodes()[0].id, "b".to_owned());
    between(&broker, &b, &a).cut();
    let began = Instant::now();
    let change = tokio::time::timeout(Duration::from_secs(60), changes.next()).await.unwrap();
    assert_eq!(change, Some(ClusterChange::NodeLeft { id, name: name.clone(), died: true }));
    // The last heartbeat was at most 2.2 s before, and expiry is checked at each own heartbeat.
    let after = began.elapsed().as_millis();
    assert!((7800..=12_300).contains(&after), "{after} ms");
    assert_eq!(hub(&a).cluster().nodes().len(), 1);
    // It still receives from this node.
    assert_eq!(hub(&b).cluster().nodes().len(), 2);
    between(&broker, &b, &a).heal();
    assert_eq!(soon(changes.next()).await, Some(ClusterChange::NodeJoined { id, name }));
    assert_eq!(hub(&a).cluster().state(), ClusterState::Up);
}

#[tokio::test(start_paused = true)]
async fn a_link_whose_heartbeats_do_not_come_back_is_replaced_after_three_of_them() {
    let broker = Broker::memory();
    let (a, b) = pair(&broker).await;
    let mut changes = hub(&a).cluster().changes();
    let began = Instant::now();
    replace_link(&broker, &a).await;
    let after = began.elapsed().as_millis();
    assert!((3700..=6100).contains(&after), "{after} ms");
    assert_eq!(soon(changes.next()).await, Some(ClusterChange::Down));
    assert_eq!(soon(changes.next()).await, Some(ClusterChange::Up));
    let Some(ClusterChange::Gap { at_most }) = soon(changes.next()).await else { panic!("no gap") };
    // The time since the last heartbeat that came back.
    assert!((6000..=6500).contains(&at_most.as_millis()), "{at_most:?}");
    assert_eq!(hub(&b).cluster().state(), ClusterState::Up, "the other link is not affected");
}

#[tokio::test(start_paused = true)]
async fn messages_that_were_queued_in_a_short_outage_are_delivered_in_order() {
    let broker = Broker::memory();
    let (a, b) = pair(&broker).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    replace_link(&broker, &a).await;
    let room = hub(&a).room::<Room>("lobby");
    for number in 0..10 {
        assert_eq!(room.push(number.to_string()).remote, Remote::Queued);
    }
    assert_eq!(room.in_turns().push("10").await.remote, Remote::Accepted);
    for number in 0..=10 {
        expect(&mut client, &number.to_string()).await;
    }
    assert_eq!(hub(&a).cluster().stats().dropped, 0);
}

#[tokio::test(start_paused = true)]
async fn as_many_messages_are_lost_as_the_test_asks_for() {
    let broker = Broker::memory();
    let (a, b) = pair(&broker).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    between(&broker, &a, &b).drop_next(3);
    // Heartbeats do not count.
    sleep(Duration::from_secs(5)).await;
    for number in 0..5 {
        hub(&a).room::<Room>("lobby").push(number.to_string());
    }
    expect(&mut client, "3").await;
    expect(&mut client, "4").await;
}

#[tokio::test(start_paused = true)]
async fn messages_that_overtake_each_other_are_all_delivered() {
    let broker = Broker::memory();
    let (a, b) = pair(&broker).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    between(&broker, &a, &b).swap_next(3);
    for number in 0..7 {
        hub(&a).room::<Room>("lobby").push(number.to_string());
    }
    for number in [1, 0, 3, 2, 5, 4, 6] {
        expect(&mut client, &number.to_string()).await;
    }
    let stats = hub(&b).cluster().stats();
    assert_eq!((stats.duplicates, stats.late), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_replaced_link_are_dropped_and_counted() {
    let broker = Broker::memory();
    let (a, b) = pair(&broker).await;
    let (mut client, conn) = connect(&b, "tom", "lobby").await;
    let room = hub(&a).room::<Room>("lobby");
    let late = Duration::from_secs(15);
    between(&broker, &a, &b).delay(late);
    let sent = Instant::now();
    for _ in 0..3 {
        assert_eq!(room.in_turns().push("late").await.remote, Remote::Accepted);
    }
    between(&broker, &a, &b).heal();
    replace_link(&broker, &a).await;
    wait_until_up(&a).await;
    room.push("by the new link");
    expect(&mut client, "by the new link").await;
    assert_eq!(hub(&b).cluster().stats().late, 0);
    tokio::time::sleep_until(sent + late + Duration::from_secs(1)).await;
    assert_eq!(hub(&b).cluster().stats().late, 3);
    conn.push("marker").unwrap();
    expect(&mut client, "marker").await;
}

#[tokio::test(start_paused = true)]
async fn messages_that_do_not_fit_into_the_queue_of_a_slow_node_are_lost_and_reported() {
    const SENT: usize = 50;
    let broker = Broker::memory();
    let a = node(&broker, "a", app(), |_| {}).await;
    let small = |settings: &mut ws_core::config::Cluster| {
        settings.message = 2000;
        settings.queue = 10_000;
    };
    let b = node(&broker, "b", app(), small).await;
    know_each_other(&[&a, &b]).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    let mut changes = hub(&b).cluster().changes();
    let room = hub(&a).room::<Room>("lobby");
    let text = |number| format!("{number}{}", "x".repeat(1500));
    // The broker delivers a batch at once, before the workers of the other node run.
    (0..SENT).for_each(|number| assert_eq!(room.push(text(number)).remote, Remote::Queued));
    for number in 0..6 {
        expect(&mut client, &text(number)).await;
    }
    room.push("the next");
    expect(&mut client, "the next").await;
    let messages = SENT as u64 - 6;
    assert_eq!(soon(changes.next()).await, Some(ClusterChange::Lost { messages }));
    assert_eq!(hub(&b).cluster().stats().lost, messages);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_cut_off_for_a_while_goes_on() {
    let broker = Broker::memory();
    let (a, b) = pair(&broker).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    between(&broker, &a, &b).cut();
    assert_eq!(hub(&a).all().in_turns().push("lost").await.remote, Remote::Accepted);
    between(&broker, &a, &b).heal();
    hub(&a).all().push("the next");
    expect(&mut client, "the next").await;
}
