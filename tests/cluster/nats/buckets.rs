//! Many groups, and the buckets that a node subscribes for them.

use std::{collections::HashMap, time::Duration};

use futures_util::StreamExt as _;
use tokio::time::Instant;
use ws_core::{hub::Reach, testing::TestApp};

use super::{joined, server, stranger, wait_until_down, wait_until_up};
use crate::{
    brokers::{Broker, Nats, config, eventually, soon},
    nodes::{Room, app, connect, connect_plain, expect, hub, know_each_other, pair},
};

/// Two rooms whose subjects have the same bucket.
async fn neighbours(nats: &Nats, node: &TestApp) -> [String; 2] {
    let mut messages =
        stranger(nats).await.subscribe(format!("{}.1.g.*.r.Room.*", nats.prefix)).await.unwrap();
    let mut rooms: HashMap<String, String> = HashMap::new();
    // The subscription of the stranger is not confirmed.
    let mut number = 0;
    loop {
        hub(node).room::<Room>(&number.to_string()).push("any");
        number += 1;
        let next = tokio::time::timeout(Duration::from_millis(10), messages.next()).await;
        let Ok(Some(message)) = next else { continue };
        let tokens: Vec<&str> = message.subject.split('.').collect();
        let (bucket, room) = (tokens[3].to_owned(), tokens[6].to_owned());
        match rooms.insert(bucket, room.clone()) {
            Some(other) if other != room => return [other, room],
            _ => {}
        }
    }
}

#[tokio::test]
async fn messages_to_other_groups_of_a_bucket_are_not_received() {
    let Some(broker) = Broker::nats() else { return };
    let (a, b) = pair(&broker).await;
    let [one, other] = neighbours(server(&broker), &a).await;
    let (mut client, conn) = connect(&b, "tom", &one).await;
    let before = hub(&b).cluster().stats();
    hub(&a).room::<Room>(&other).push("not for this node");
    hub(&a).room::<Room>(&one).push("marker");
    expect(&mut client, "marker").await;
    let stats = hub(&b).cluster().stats();
    assert_eq!((stats.received - before.received, stats.malformed), (1, 0));
    // A bucket stays subscribed until the last of its groups has left.
    conn.join_confirmed(&other).await.unwrap();
    conn.leave(&one);
    let cluster = hub(&b).cluster();
    let subscriptions = cluster.stats().subscriptions;
    eventually("the room is unsubscribed", || cluster.stats().subscriptions < subscriptions).await;
    let before = cluster.stats().received;
    hub(&a).room::<Room>(&one).push("not for this node any more");
    hub(&a).room::<Room>(&other).push("marker");
    expect(&mut client, "marker").await;
    assert_eq!(cluster.stats().received - before, 1);
}

#[tokio::test]
async fn more_groups_than_buckets_are_subscribed_and_subscribed_again_after_an_outage() {
    const ROOMS: usize = 10_000;
    let Some(nats) = Nats::start("") else { return };
    let a = joined(nats.settings()).await;
    let mut settings = config(nats.settings());
    settings.servers[0].limits.rooms = ROOMS + 1;
    let b = TestApp::start(app().config(settings)).await;
    wait_until_up(&b).await;
    know_each_other(&[&a, &b]).await;
    let (mut client, conn) = connect_plain(&b).await;
    let rooms: Vec<String> = (0..ROOMS).map(|number| format!("room-{number}")).collect();
    rooms.iter().for_each(|room| assert!(conn.join(room).unwrap()));
    for round in 0..2 {
        assert_eq!(conn.join_confirmed("last").await, Ok(Reach::Cluster));
        for (number, room) in rooms.iter().enumerate().filter(|(number, _)| number % 10 == round) {
            hub(&a).room::<crate::nodes::Plain>(room).push(&**room);
            expect(&mut client, &format!("room-{number}")).await;
        }
        assert_eq!(hub(&b).cluster().stats().subscriptions, ROOMS as u64 + 1);
        nats.kill();
        wait_until_down(&b).await;
        nats.restart();
        let began = Instant::now();
        wait_until_up(&a).await;
        wait_until_up(&b).await;
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        soon(know_each_other(&[&a, &b])).await;
    }
}
