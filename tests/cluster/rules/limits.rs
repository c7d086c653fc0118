//! Messages that do not reach the other nodes.

use serde::{Serialize, Serializer, ser::Error as _};
use ws_core::{
    hub::{NotSent, Remote},
    prelude::*,
};

use crate::{
    brokers::Broker,
    logs::Logs,
    nodes::{Room, connect, expect, hub, pair, pair_with},
};

rules! {
    a_message_above_the_limit_is_delivered_to_local_members_only,
    a_message_that_does_not_fit_into_the_queue_is_delivered_to_local_members_only,
    a_value_that_does_not_serialise_is_not_sent_and_logged,
}

async fn a_message_above_the_limit_is_delivered_to_local_members_only(broker: &Broker) {
    const LIMIT: usize = 10_000;
    let (a, b) = pair_with(broker, |settings| settings.message = LIMIT).await;
    let (mut local, _) = connect(&a, "jerry", "lobby").await;
    let (mut remote, _) = connect(&b, "tom", "lobby").await;
    let room = hub(&a).room::<Room>("lobby");
    let (fits, large) = ("f".repeat(LIMIT), "l".repeat(LIMIT + 5000));
    let before = hub(&a).cluster().stats();
    let delivery = room.push(&*large);
    assert_eq!((delivery.sent, delivery.remote), (1, Remote::NotSent(NotSent::TooLarge)));
    let delivery = room.in_turns().event("large", &large).await;
    assert_eq!((delivery.sent, delivery.remote), (1, Remote::NotSent(NotSent::TooLarge)));
    assert_eq!(room.push(&*fits).remote, Remote::Queued);
    expect(&mut local, &large).await;
    expect(&mut local, &format!(r#"{{"event":"large","data":"{large}"}}"#)).await;
    expect(&mut local, &fits).await;
    expect(&mut remote, &fits).await;
    let stats = hub(&a).cluster().stats();
    assert_eq!((stats.dropped - before.dropped, stats.published - before.published), (2, 1));
}

async fn a_message_that_does_not_fit_into_the_queue_is_delivered_to_local_members_only(broker: &Broker) {
    let small = |settings: &mut ws_core::config::Cluster| {
        settings.message = 2000;
        settings.queue = 10_000;
    };
    let (a, b) = pair_with(broker, small).await;
    let (mut local, _) = connect(&a, "jerry", "lobby").await;
    let (mut remote, _) = connect(&b, "tom", "lobby").await;
    let before = hub(&a).cluster().stats();
    let room = hub(&a).room::<Room>("lobby");
    // Nothing is sent meanwhile, because this task does not wait.
    let text = |number| format!("{number}{}", "x".repeat(1500));
    let remotes: Vec<_> = (0..10).map(|number| room.push(text(number)).remote).collect();
    let (queued, full) = remotes.split_at(6);
    assert!(queued.iter().all(|it| *it == Remote::Queued), "{remotes:?}");
    assert!(full.iter().all(|it| *it == Remote::NotSent(NotSent::Full)), "{remotes:?}");
    assert_eq!(hub(&a).cluster().stats().dropped - before.dropped, 4);
    for number in 0..10 {
        expect(&mut local, &text(number)).await;
    }
    for number in 0..6 {
        expect(&mut remote, &text(number)).await;
    }
    // There is room again.
    assert_eq!(room.in_turns().push("the next").await.remote, Remote::Accepted);
    expect(&mut remote, "the next").await;
    assert_eq!(hub(&b).cluster().stats().lost, 0);
}

struct Broken;

impl Serialize for Broken {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("it is broken"))
    }
}

async fn a_value_that_does_not_serialise_is_not_sent_and_logged(broker: &Broker) {
    let logs = Logs::start();
    let (a, b) = pair(broker).await;
    let (mut local, _) = connect(&a, "jerry", "lobby").await;
    let (mut remote, conn) = connect(&b, "tom", "lobby").await;
    let (room, connection) = (hub(&a).room::<Room>("lobby"), hub(&a).connection(conn.id()));
    for (delivery, failed) in [
        (room.push_json(&Broken), 1),
        (room.event("broken", &Broken), 1),
        (room.in_turns().push_json(&Broken).await, 1),
        (room.in_turns().event("broken", &Broken).await, 1),
        (connection.push_json(&Broken), 0),
        (connection.event("broken", &Broken), 0),
    ] {
        let counts = (delivery.sent, delivery.failed, delivery.remote);
        assert_eq!(counts, (0, failed, Remote::NotSent(NotSent::Failed)));
    }
    assert!(logs.have(&["ERROR", "it is broken", "Broken", "rules/limits.rs"]), "{}", logs.text());
    room.push("the next");
    expect(&mut local, "the next").await;
    expect(&mut remote, "the next").await;
}
