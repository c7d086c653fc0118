//! Memberships, and the channels that a node subscribes for them.

use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep};
use ws_core::{
    hub::{ClusterState, Reach, Remote},
    testing::TestApp,
};

use crate::{
    brokers::{Broker, eventually},
    nodes::{Room, connect, connect_plain, expect, hub, pair},
};

rules! {
    nothing_is_missed_after_join_confirmed,
    further_members_do_not_wait_for_a_confirmation,
    a_join_is_local_at_once_while_the_broker_is_away,
    a_membership_of_an_outage_is_subscribed_when_the_broker_is_back,
    a_connection_gets_nothing_after_it_has_left,
    a_channel_without_members_lingers_for_two_seconds,
    a_room_that_is_joined_again_stays_subscribed,
    the_end_of_connections_ends_their_subscriptions,
}

/// The time that a channel lingers.
const LINGERS: Duration = Duration::from_secs(2);

async fn nothing_is_missed_after_join_confirmed(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut client, conn) = connect(&b, "tom", "lobby").await;
    for number in 0..60 {
        let room = format!("room-{number}");
        assert_eq!(conn.join_confirmed(&room).await, Ok(Reach::Cluster));
        assert_eq!(hub(&a).room::<Room>(&room).push(&*room).remote, Remote::Queued);
        expect(&mut client, &room).await;
    }
}

async fn further_members_do_not_wait_for_a_confirmation(broker: &Broker) {
    let (_a, b) = pair(broker).await;
    let (_one, one) = connect(&b, "tom", "").await;
    let (_two, two) = connect(&b, "spike", "").await;
    assert_eq!(one.join_confirmed("lobby").now_or_never(), None);
    assert_eq!(one.join_confirmed("lobby").await, Ok(Reach::Cluster));
    assert_eq!(two.join_confirmed("lobby").now_or_never(), Some(Ok(Reach::Cluster)));
}

async fn down(node: &TestApp) {
    let cluster = hub(node).cluster();
    eventually("the link ends", || matches!(cluster.state(), ClusterState::Down { .. })).await;
}

async fn a_join_is_local_at_once_while_the_broker_is_away(broker: &Broker) {
    let (_a, b) = pair(broker).await;
    let (mut client, conn) = connect(&b, "tom", "lobby").await;
    broker.stop();
    down(&b).await;
    for room in ["lobby", "kitchen"] {
        assert_eq!(conn.join_confirmed(room).now_or_never(), Some(Ok(Reach::Local)));
        assert_eq!(hub(&b).room::<Room>(room).push(room).sent, 1);
        expect(&mut client, room).await;
    }
}

async fn a_membership_of_an_outage_is_subscribed_when_the_broker_is_back(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut client, conn) = connect(&b, "tom", "lobby").await;
    broker.stop();
    down(&b).await;
    assert_eq!(conn.join_confirmed("kitchen").await, Ok(Reach::Local));
    conn.identify("jerry").unwrap();
    broker.restart();
    for node in [&a, &b] {
        eventually("the link is back", || hub(node).cluster().state() == ClusterState::Up).await;
    }
    hub(&a).room::<Room>("kitchen").push("to the room");
    expect(&mut client, "to the room").await;
    hub(&a).user("jerry").push("to the user");
    expect(&mut client, "to the user").await;
    hub(&a).room::<Room>("lobby").push("to the old room");
    expect(&mut client, "to the old room").await;
}

async fn a_connection_gets_nothing_after_it_has_left(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut client, conn) = connect(&b, "tom", "lobby").await;
    let (mut other, _) = connect(&b, "spike", "lobby").await;
    let room = hub(&a).room::<Room>("lobby");
    for number in 0..20 {
        room.push("before");
        expect(&mut client, "before").await;
        expect(&mut other, "before").await;
        // In every second round the message may arrive before or after the connection leaves.
        let is_race = number % 2 == 0;
        if is_race {
            assert_eq!(room.in_turns().push("after").await.remote, Remote::Accepted);
        }
        assert!(conn.leave("lobby"));
        if !is_race {
            assert_eq!(room.in_turns().push("after").await.remote, Remote::Accepted);
        }
        conn.push("marker").unwrap();
        expect(&mut other, "after").await;
        match client.next_text().await.unwrap() {
            text if is_race && text == "after" => expect(&mut client, "marker").await,
            text => assert_eq!(text, "marker", "{number}"),
        }
        conn.join("lobby").unwrap();
    }
}

async fn a_channel_without_members_lingers_for_two_seconds(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut client, conn) = connect(&b, "tom", "lobby").await;
    let cluster = hub(&b).cluster();
    let before = cluster.stats().subscriptions;
    let left = Instant::now();
    conn.leave("lobby");
    assert_eq!(cluster.stats().subscriptions, before);
    // Messages still arrive at the node, but not at the connection.
    let received = cluster.stats().received;
    hub(&a).room::<Room>("lobby").push("lost");
    hub(&a).connection(conn.id()).push("marker");
    expect(&mut client, "marker").await;
    assert_eq!(cluster.stats().received - received, 2);
    eventually("the channel is unsubscribed", || cluster.stats().subscriptions == before - 1).await;
    let lingered = left.elapsed();
    assert!(lingered >= LINGERS && lingered < LINGERS * 2, "{lingered:?}");
    let received = cluster.stats().received;
    hub(&a).room::<Room>("lobby").push("not sent to this node");
    hub(&a).connection(conn.id()).push("marker");
    expect(&mut client, "marker").await;
    assert_eq!(cluster.stats().received - received, 1);
}

async fn a_room_that_is_joined_again_stays_subscribed(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut client, conn) = connect(&b, "tom", "lobby").await;
    let before = hub(&b).cluster().stats().subscriptions;
    conn.leave("lobby");
    sleep(LINGERS / 2).await;
    assert_eq!(conn.join_confirmed("lobby").now_or_never(), Some(Ok(Reach::Cluster)));
    let until = Instant::now() + LINGERS;
    let mut number = 0;
    while Instant::now() < until {
        number += 1;
        let text = number.to_string();
        hub(&a).room::<Room>("lobby").push(&*text);
        expect(&mut client, &text).await;
        assert_eq!(hub(&b).cluster().stats().subscriptions, before);
        sleep(Duration::from_millis(20)).await;
    }
}

async fn the_end_of_connections_ends_their_subscriptions(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (_plain, plain) = connect_plain(&b).await;
    let cluster = hub(&b).cluster();
    assert_eq!(cluster.stats().subscriptions, 0);
    let (one, _) = connect(&b, "tom", "lobby").await;
    let (two, _) = connect(&b, "tom", "lobby").await;
    // The user, the room, and a room of each connection.
    assert_eq!(cluster.stats().subscriptions, 4);
    drop((one, two));
    eventually("nothing is subscribed", || cluster.stats().subscriptions == 0).await;
    assert_eq!(hub(&a).connection(plain.id()).in_turns().push("alive").await.remote, Remote::Accepted);
}
