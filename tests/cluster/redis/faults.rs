//! A server that is killed, stops, cuts connections, or forwards messages of clients that are not
//! nodes.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::{
    task::yield_now,
    time::{Instant, sleep},
};
use ws_core::{
    config::Cluster,
    hub::{ClusterChange, ClusterChanges, ClusterState, NotSent, Reach, Remote},
    testing::TestApp,
};

use crate::{
    brokers::{Broker, Redis, eventually, soon},
    nodes::{Room, connect, expect, hub, pair, pair_with},
};

fn start(options: &[&str]) -> Option<Broker> {
    Redis::start(options).map(Broker::Redis)
}

fn server(broker: &Broker) -> &Redis {
    match broker {
        Broker::Redis(redis) => redis,
        Broker::Memory(_) | Broker::Nats(_) => panic!("not a Redis"),
    }
}

async fn wait_until_up(node: &TestApp) {
    let cluster = hub(node).cluster();
    eventually("the link is up", || cluster.state() == ClusterState::Up).await;
}

async fn wait_until_down(node: &TestApp) {
    let cluster = hub(node).cluster();
    eventually("the link ends", || matches!(cluster.state(), ClusterState::Down { .. })).await;
}

/// Waits for the report of a gap.
async fn gap(changes: &mut ClusterChanges) -> Duration {
    loop {
        if let Some(ClusterChange::Gap { at_most }) = soon(changes.next()).await {
            return at_most;
        }
    }
}

#[tokio::test]
async fn a_killed_server_is_joined_again_within_the_back_off() {
    let Some(broker) = start(&[]) else { return };
    let (a, b) = pair(&broker).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    broker.stop();
    wait_until_down(&a).await;
    wait_until_down(&b).await;
    sleep(Duration::from_secs(1)).await;
    broker.restart();
    let began = Instant::now();
    wait_until_up(&a).await;
    wait_until_up(&b).await;
    // After an outage of a second no pause is longer than 3.2 s.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    hub(&a).room::<Room>("lobby").push("again");
    expect(&mut client, "again").await;
}

#[tokio::test]
async fn a_stopped_server_is_noticed_by_the_heartbeats_and_an_unanswered_push_is_unknown() {
    let Some(broker) = start(&[]) else { return };
    let fast = |settings: &mut Cluster| settings.heartbeat = Duration::from_millis(200);
    let (a, b) = pair_with(&broker, fast).await;
    let (mut local, _) = connect(&a, "jerry", "lobby").await;
    let (mut remote, _) = connect(&b, "tom", "lobby").await;
    let mut changes = hub(&b).cluster().changes();
    server(&broker).signal("-STOP");
    let stopped = Instant::now();
    let room = hub(&a).room::<Room>("lobby");
    let delivery = soon(room.in_turns().push("unknown")).await;
    assert_eq!((delivery.sent, delivery.remote), (1, Remote::Unknown));
    assert!(stopped.elapsed() < Duration::from_secs(3), "{:?}", stopped.elapsed());
    wait_until_down(&a).await;
    wait_until_down(&b).await;
    let delivery = soon(room.in_turns().push("not sent")).await;
    assert_eq!((delivery.sent, delivery.remote), (1, Remote::NotSent(NotSent::Unreachable)));
    assert_eq!(hub(&a).cluster().stats().unknown, 1);
    expect(&mut local, "unknown").await;
    expect(&mut local, "not sent").await;
    let at_least = stopped.elapsed();
    server(&broker).signal("-CONT");
    let at_most = gap(&mut changes).await;
    assert!(at_most >= at_least, "{at_most:?} >= {at_least:?}");
    wait_until_up(&a).await;
    room.push("again");
    // The server may have executed the unknown push after it continued.
    match remote.next_text().await.unwrap() {
        text if text == "unknown" => expect(&mut remote, "again").await,
        text => assert_eq!(text, "again"),
    }
}

#[tokio::test]
async fn while_a_server_does_not_answer_a_join_is_local_after_two_seconds_and_a_count_incomplete_after_one() {
    let Some(broker) = start(&[]) else { return };
    let (a, b) = pair(&broker).await;
    let (mut client, conn) = connect(&b, "tom", "lobby").await;
    server(&broker).signal("-STOP");
    let began = Instant::now();
    let hub_of_b = hub(&b);
    let (reach, count) = tokio::join!(conn.join_confirmed("kitchen"), async {
        let count = hub_of_b.count().await;
        (count, began.elapsed())
    });
    assert_eq!((reach, began.elapsed().as_secs()), (Ok(Reach::Local), 2));
    let (incomplete, after) = (count.0.unwrap_err(), count.1);
    assert_eq!((incomplete.value, incomplete.missing, after.as_secs()), (1, vec!["a".to_owned()], 1));
    assert_eq!(hub(&b).cluster().state(), ClusterState::Up, "six seconds without a heartbeat end a link");
    let delivery = hub(&b).room::<Room>("kitchen").push("local");
    assert_eq!((delivery.sent, delivery.remote), (1, Remote::Queued));
    expect(&mut client, "local").await;
    server(&broker).signal("-CONT");
    assert_eq!(conn.join_confirmed("kitchen").await, Ok(Reach::Cluster));
    hub(&a).room::<Room>("kitchen").push("remote");
    expect(&mut client, "remote").await;
}

#[tokio::test]
async fn a_subscriber_that_the_server_cuts_reports_a_gap_and_joins_again() {
    let Some(broker) = start(&["--client-output-buffer-limit", "pubsub", "40kb", "0", "0"]) else { return };
    let (a, b) = pair(&broker).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    let mut changes = hub(&b).cluster().changes();
    let room = hub(&a).room::<Room>("lobby");
    assert_eq!(room.in_turns().push("x".repeat(300_000)).await.remote, Remote::Accepted);
    gap(&mut changes).await;
    assert_eq!(hub(&b).cluster().stats().reconnects, 1);
    room.push("again");
    expect(&mut client, "again").await;
}

#[tokio::test]
async fn repeated_messages_are_counted_and_not_delivered() {
    let Some(broker) = start(&[]) else { return };
    let (a, b) = pair(&broker).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    let stranger = Stranger::new(server(&broker)).await;
    let mut messages = stranger.client.get_async_pubsub().await.unwrap();
    let channel = stranger.channel("r:Room:lobby");
    messages.subscribe(&channel).await.unwrap();
    let mut messages = messages.into_on_message();
    let room = hub(&a).room::<Room>("lobby");
    room.push("once");
    let message = soon(messages.next()).await.unwrap().get_payload_bytes().to_vec();
    for _ in 0..3 {
        stranger.publish(&channel, &message).await;
    }
    room.push("marker");
    expect(&mut client, "once").await;
    expect(&mut client, "marker").await;
    assert_eq!(hub(&b).cluster().stats().duplicates, 3);
}

#[tokio::test]
async fn messages_of_unknown_clients_are_counted_and_ignored() {
    let Some(broker) = start(&[]) else { return };
    let (a, b) = pair(&broker).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    let stranger = Stranger::new(server(&broker)).await;
    let before = hub(&b).cluster().stats();
    let mut sent = 0;
    for channel in ["nodes", "all", "c:Room", "r:Room:lobby", "u:tom"] {
        // A head that announces more bytes than follow, of a node that does not exist.
        let head = [&[1, 2, 0, 0, 0, 0, 1, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, sent][..], &[255; 4]].concat();
        for message in [&b""[..], b"x", &[0; 7], &[255; 100], &[1, 2, 3, 4, 5, 6, 7], &head] {
            stranger.publish(&stranger.channel(channel), message).await;
            sent += 1;
        }
    }
    let malformed = || hub(&b).cluster().stats().malformed - before.malformed;
    eventually("they are counted", || malformed() == u64::from(sent)).await;
    assert_eq!(hub(&b).cluster().state(), ClusterState::Up);
    assert_eq!(hub(&b).cluster().nodes().len(), 2);
    hub(&a).room::<Room>("lobby").push("the next");
    expect(&mut client, "the next").await;
}

#[tokio::test]
async fn a_room_is_subscribed_again_whenever_it_is_joined_while_it_is_unsubscribed() {
    let Some(broker) = start(&[]) else { return };
    let (a, b) = pair(&broker).await;
    let rooms: Vec<String> = (0..200).map(|number| format!("room-{number}")).collect();
    let mut members = Vec::new();
    for room in &rooms {
        members.push(connect(&b, "tom", room).await);
    }
    let left = Instant::now();
    members.iter().zip(&rooms).for_each(|((_, conn), room)| assert!(conn.leave(room)));
    // They are unsubscribed about two seconds later, and joined again in the same milliseconds.
    tokio::time::sleep_until(left + Duration::from_millis(1998)).await;
    for ((_, conn), room) in members.iter().zip(&rooms) {
        conn.join(room).unwrap();
        let next = Instant::now() + Duration::from_micros(30);
        while Instant::now() < next {
            yield_now().await;
        }
    }
    for ((client, conn), room) in members.iter_mut().zip(&rooms) {
        assert_eq!(conn.join_confirmed(room).await, Ok(Reach::Cluster), "{room}");
        hub(&a).room::<Room>(room).push(&**room);
        expect(client, room).await;
    }
}

/// A client of the server that is not a node.
struct Stranger {
    client: ::redis::Client,
    connection: ::redis::aio::MultiplexedConnection,
    prefix: String,
}

impl Stranger {
    async fn new(redis: &Redis) -> Self {
        let client = ::redis::Client::open(format!("redis://127.0.0.1:{}", redis.port)).unwrap();
        let connection = client.get_multiplexed_async_connection().await.unwrap();
        Self { client, connection, prefix: redis.settings().prefix }
    }

    fn channel(&self, name: &str) -> String {
        format!("{}:1:{name}", self.prefix)
    }

    async fn publish(&self, channel: &str, message: &[u8]) {
        let mut command = ::redis::cmd("PUBLISH");
        let sent = command.arg(channel).arg(message).query_async::<i64>(&mut self.connection.clone()).await;
        assert!(sent.unwrap() > 0, "{channel} has no subscriber");
    }
}
