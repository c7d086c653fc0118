//! The watches of rooms while messages between nodes are lost, or a node is cut off, under paused
//! time.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use ws_core::{Connection, ConnectionId, hub::ClusterState, testing::TestApp};

use crate::{
    brokers::{Broker, eventually, soon},
    memory::between,
    nodes::{app, connect, hub, know_each_other, node, pair},
    rules::presence::{List, members},
};

async fn settled(node: &TestApp) -> List {
    let mut members = members(node);
    soon(members.settled()).await;
    List::new(members)
}

/// Waits until all changes so far were published.
async fn published() {
    tokio::time::sleep(Duration::from_millis(200)).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_change_heals_within_ten_seconds() {
    let broker = Broker::memory();
    let (a, b) = pair(&broker).await;
    let (_first, first) = connect(&b, "tom", "lobby").await;
    let (_second, second) = connect(&b, "jerry", "lobby").await;
    let mut list = settled(&a).await;
    let leave = |conn: &Connection| assert!(conn.leave("lobby"));
    let join = |conn: &Connection| assert_eq!(conn.join("lobby"), Ok(true));
    // A leave, a join, and the last leave, after which the node is not subscribed to the room.
    lose(&broker, (&b, &a), &mut list, || leave(&first), &[second.id()]).await;
    lose(&broker, (&b, &a), &mut list, || join(&first), &[first.id(), second.id()]).await;
    lose(&broker, (&b, &a), &mut list, || [&first, &second].into_iter().for_each(leave), &[]).await;
    // The announcement of the first member, after the node has forgotten the watch.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let (_third, third) = connect(&b, "tom", "quiet").await;
    published().await;
    lose(&broker, (&b, &a), &mut list, || join(&third), &[third.id()]).await;
    list.stays().await;
}

/// Loses the message about a change, and checks that the list still becomes this one.
async fn lose(
    broker: &Broker,
    (from, to): (&TestApp, &TestApp),
    list: &mut List,
    change: impl FnOnce(),
    expected: &[ConnectionId],
) {
    between(broker, from, to).drop_next(1);
    change();
    published().await;
    let began = Instant::now();
    list.becomes(expected).await;
    let after = began.elapsed();
    assert!(after > Duration::from_millis(300), "it was not lost: {after:?}");
    assert!(after <= Duration::from_secs(10), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_change_the_next_one_heals_at_once() {
    let broker = Broker::memory();
    let (a, b) = pair(&broker).await;
    let (_first, first) = connect(&b, "tom", "lobby").await;
    let mut list = settled(&a).await;
    between(&broker, &b, &a).drop_next(1);
    let (_second, second) = connect(&b, "jerry", "lobby").await;
    published().await;
    let began = Instant::now();
    let (_third, third) = connect(&b, "spike", "lobby").await;
    list.becomes(&[first.id(), second.id(), third.id()]).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn changes_that_overtake_each_other_are_reported_once_each() {
    let broker = Broker::memory();
    let (a, b) = pair(&broker).await;
    let (_first, first) = connect(&b, "tom", "lobby").await;
    let mut list = settled(&a).await;
    between(&broker, &b, &a).swap_next(20);
    for _ in 0..10 {
        first.leave("lobby");
        list.becomes(&[]).await;
        first.join("lobby").unwrap();
        list.becomes(&[first.id()]).await;
    }
    list.stays().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_question_and_a_lost_answer_are_asked_again_after_a_second() {
    let broker = Broker::memory();
    let (a, b) = pair(&broker).await;
    let (_client, conn) = connect(&b, "tom", "lobby").await;
    for (from, to) in [(&a, &b), (&b, &a)] {
        between(&broker, from, to).drop_next(1);
        let began = Instant::now();
        let list = settled(&a).await;
        assert_eq!(list.0.now(), [conn.id()]);
        let after = began.elapsed();
        assert!(after >= Duration::from_secs(1) && after < Duration::from_millis(1500), "{after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_cut_off_loses_its_members_after_node_timeout_and_a_second() {
    let broker = Broker::memory();
    let (a, b) = pair(&broker).await;
    let c = node(&broker, "c", app(), |_| {}).await;
    know_each_other(&[&a, &b, &c]).await;
    let (_one, of_a) = connect(&a, "tom", "lobby").await;
    let (_two, of_b) = connect(&b, "jerry", "lobby").await;
    let (_three, of_c) = connect(&c, "spike", "lobby").await;
    let mut list = settled(&a).await;
    // The node has sent a heartbeat lately.
    let has_new_heartbeat = || hub(&a).cluster().nodes()[1].last_seen < Duration::from_millis(10);
    eventually("a heartbeat", has_new_heartbeat).await;
    between(&broker, &b, &a).cut();
    let began = Instant::now();
    list.becomes(&[of_a.id(), of_c.id()]).await;
    let after = began.elapsed();
    assert!(after >= Duration::from_millis(9900), "{after:?}");
    assert!(after <= Duration::from_secs(11), "{after:?}");
    // It returns with its members.
    between(&broker, &b, &a).heal();
    list.becomes(&[of_a.id(), of_b.id(), of_c.id()]).await;
    list.stays().await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_waits_for_a_node_that_does_not_answer_until_it_is_gone() {
    let broker = Broker::memory();
    let (a, b) = pair(&broker).await;
    let (_one, of_a) = connect(&a, "tom", "lobby").await;
    between(&broker, &b, &a).cut();
    let mut members = members(&a);
    assert!(timeout(Duration::from_secs(5), members.settled()).await.is_err());
    assert!(members.is_stale());
    timeout(Duration::from_secs(10), members.settled()).await.unwrap();
    assert_eq!(members.now(), [of_a.id()]);
}

#[tokio::test(start_paused = true)]
async fn changes_during_an_outage_of_the_other_node_are_reported_when_its_link_is_back() {
    let broker = Broker::memory();
    let (a, b) = pair(&broker).await;
    let (_first, first) = connect(&b, "tom", "lobby").await;
    let mut list = settled(&a).await;
    // The other node's heartbeats do not come back, so it replaces its link.
    let cluster = hub(&b).cluster();
    between(&broker, &b, &b).cut();
    eventually("the link ends", || matches!(cluster.state(), ClusterState::Down { .. })).await;
    let dropped = cluster.stats().dropped;
    first.leave("lobby");
    published().await;
    between(&broker, &b, &b).heal();
    eventually("the link is up", || cluster.state() == ClusterState::Up).await;
    let began = Instant::now();
    list.becomes(&[]).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(cluster.stats().dropped, dropped);
}

#[tokio::test(start_paused = true)]
async fn an_unwatched_room_costs_one_message_for_its_first_member() {
    let broker = Broker::memory();
    let (a, b) = pair(&broker).await;
    let (_first, first) = connect(&b, "tom", "quiet").await;
    published().await;
    let published_by_b = || hub(&b).cluster().stats().published;
    let before = published_by_b();
    first.join("lobby").unwrap();
    published().await;
    assert_eq!(published_by_b() - before, 1);
    let (_second, second) = connect(&b, "jerry", "quiet").await;
    published().await;
    let before = published_by_b();
    for _ in 0..10 {
        second.join("lobby").unwrap();
        second.leave("lobby");
    }
    published().await;
    assert_eq!(published_by_b() - before, 0, "further members of a room that is not watched");
    // While it is watched, the changes of 50 ms are one message.
    let list = settled(&a).await;
    let before = published_by_b();
    for _ in 0..10 {
        second.join("lobby").unwrap();
        second.leave("lobby");
    }
    published().await;
    assert_eq!(published_by_b() - before, 1);
    // 30 s after the last renewal, messages do not arrive any more.
    drop(list);
    tokio::time::sleep(Duration::from_secs(31)).await;
    let before = published_by_b();
    second.join("lobby").unwrap();
    published().await;
    assert_eq!(published_by_b() - before, 0);
}
