//! Messages to targets reach their members on other nodes.

use serde::Serialize;
use serde_json::{Value, json};
use ws_core::{
    Hub,
    hub::{Delivery, Remote, Target},
    prelude::*,
    testing::{TestApp, TestClient},
};

use crate::{
    brokers::{Broker, soon},
    nodes::{Room, connect, expect, hub, know_each_other, node, opened, pair, reporting, settle},
};

rules! {
    every_target_reaches_its_members_on_other_nodes_with_every_call,
    an_excepted_connection_on_another_node_gets_nothing,
    a_disconnect_closes_on_other_nodes_with_its_code_and_reason,
    an_event_is_in_the_format_of_each_connection_on_other_nodes,
    in_turns_waits_until_the_broker_has_accepted_the_message,
    messages_to_a_target_stay_in_order,
    a_member_sends_to_the_others_of_its_room_on_all_nodes,
}

#[derive(Serialize, WsEvent)]
#[ws_event("news")]
struct News {
    number: u32,
}

/// All targets that have a connection as a member, and whether they have other members.
fn targets(hub: &Hub, conn: &Connection) -> Vec<(&'static str, Target, bool)> {
    let user = conn.user().unwrap();
    vec![
        ("all", hub.all(), true),
        ("controller", hub.controller::<Room>(), true),
        ("room", (*hub.room::<Room>("lobby")).clone(), true),
        ("user", (*hub.user(user)).clone(), false),
        ("connection", hub.connection(conn.id()), false),
    ]
}

/// A call, and the message that it sends.
struct Call {
    send: fn(&Target) -> Delivery,
    expected: Message,
}

async fn every_target_reaches_its_members_on_other_nodes_with_every_call(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut local, _) = connect(&a, "jerry", "lobby").await;
    let (mut remote, conn) = connect(&b, "tom", "lobby").await;
    let calls = [
        Call { send: |it| it.push("text"), expected: "text".into() },
        Call { send: |it| it.push(vec![0, 255]), expected: Message::binary(vec![0, 255]) },
        Call { send: |it| it.push_json(&json!({"a": 1})), expected: r#"{"a":1}"#.into() },
        Call { send: |it| it.event("named", &1), expected: r#"{"event":"named","data":1}"#.into() },
        Call {
            send: |it| it.emit(&News { number: 7 }),
            expected: r#"{"event":"news","data":{"number":7}}"#.into(),
        },
    ];
    for (name, target, is_shared) in targets(&hub(&a), &conn) {
        for Call { send, expected } in &calls {
            let delivery = send(&target);
            let counts = (delivery.sent, delivery.full, delivery.gone, delivery.failed);
            assert_eq!(counts, (usize::from(is_shared), 0, 0, 0), "{name}");
            assert_eq!(delivery.remote, Remote::Queued, "{name}");
            assert_eq!(&remote.next().await.unwrap(), expected, "{name}");
            if is_shared {
                assert_eq!(&local.next().await.unwrap(), expected, "{name}");
            }
        }
    }
}

async fn an_excepted_connection_on_another_node_gets_nothing(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut one, excepted) = connect(&b, "tom", "lobby").await;
    let (mut two, _) = connect(&b, "tom", "lobby").await;
    for (name, target, _) in targets(&hub(&a), &excepted) {
        assert_eq!(target.clone().except(excepted.id()).push("not for one").remote, Remote::Queued);
        assert_eq!(target.push(name).remote, Remote::Queued);
        expect(&mut one, name).await;
        if name != "connection" {
            expect(&mut two, "not for one").await;
            expect(&mut two, name).await;
        }
        let delivery = target.clone().except(excepted.id()).disconnect(4000, "not for one").unwrap();
        assert_eq!(delivery.remote, Remote::Queued);
        if name != "connection" {
            assert_eq!(two.expect_close(4000).await, "not for one");
            two = connect(&b, "tom", "lobby").await.0;
            expect(&mut one, "farewell").await;
        }
    }
}

async fn a_disconnect_closes_on_other_nodes_with_its_code_and_reason(broker: &Broker) {
    let (app, mut closed) = reporting();
    let (a, b) = (node(broker, "a", crate::nodes::app(), |_| {}).await, node(broker, "b", app, |_| {}).await);
    know_each_other(&[&a, &b]).await;
    for at in 0..5 {
        let (mut client, conn) = connect(&b, "tom", "lobby").await;
        let (name, target, _) = targets(&hub(&a), &conn).swap_remove(at);
        let code = 4000 + at as u16;
        assert_eq!(target.disconnect(code, name).unwrap().remote, Remote::Queued, "{name}");
        assert_eq!(client.expect_close(code).await, name);
        match soon(closed.recv()).await.unwrap() {
            CloseReason::Local { code: got, reason } => assert_eq!((got, &*reason), (code, name)),
            other => panic!("{name}: {other:?}"),
        }
    }
}

async fn connect_packed(node: &TestApp) -> (TestClient, Connection) {
    let client = node.connect("/room/tom?lobby").subprotocols(&["msgpack"]).await.unwrap();
    let (client, conn) = opened(node, client).await;
    settle(&conn).await;
    (client, conn)
}

async fn an_event_is_in_the_format_of_each_connection_on_other_nodes(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut plain, _) = connect(&b, "tom", "lobby").await;
    let (mut packed, conn) = connect_packed(&b).await;
    for (name, target, is_shared) in targets(&hub(&a), &conn) {
        let is_shared = is_shared || name == "user";
        assert_eq!(target.event("named", &json!({"to": name})).remote, Remote::Queued, "{name}");
        assert_eq!(target.in_turns().emit(&News { number: 7 }).await.remote, Remote::Accepted, "{name}");
        // A raw message has one form for all.
        assert_eq!(target.push("raw").remote, Remote::Queued, "{name}");
        let named = json!({"event": "named", "data": {"to": name}});
        for expected in [&named, &json!({"event": "news", "data": {"number": 7}})] {
            let Message::Binary(bytes) = packed.next().await.unwrap() else { panic!("{name}: text") };
            assert_eq!(&rmp_serde::from_slice::<Value>(&bytes).unwrap(), expected, "{name}");
            if is_shared {
                assert_eq!(&plain.next_json::<Value>().await.unwrap(), expected, "{name}");
            }
        }
        expect(&mut packed, "raw").await;
        if is_shared {
            expect(&mut plain, "raw").await;
        }
    }
}

async fn in_turns_waits_until_the_broker_has_accepted_the_message(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut client, conn) = connect(&b, "tom", "lobby").await;
    let before = hub(&a).cluster().stats().accepted;
    for (name, target, _) in targets(&hub(&a), &conn) {
        let deliveries = [
            target.in_turns().push(name).await,
            target.in_turns().push_json(name).await,
            target.in_turns().event("named", name).await,
        ];
        for delivery in deliveries {
            assert_eq!((delivery.sent, delivery.remote), (0, Remote::Accepted), "{name}");
        }
        for expected in
            [name.to_owned(), format!("{name:?}"), format!(r#"{{"event":"named","data":{name:?}}}"#)]
        {
            expect(&mut client, &expected).await;
        }
    }
    let stats = hub(&a).cluster().stats();
    assert_eq!((stats.accepted - before, stats.unknown, stats.dropped), (15, 0, 0));
}

async fn messages_to_a_target_stay_in_order(broker: &Broker) {
    const MESSAGES: u32 = 5000;
    let (a, b) = pair(broker).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    let room = hub(&a).room::<Room>("lobby");
    let mut next = 0..MESSAGES;
    for sent in 0..MESSAGES {
        let remote = match sent % 7 {
            0 => room.in_turns().push(sent.to_string()).await.remote,
            _ => room.push(sent.to_string()).remote,
        };
        assert!(matches!(remote, Remote::Queued | Remote::Accepted), "{sent}: {remote:?}");
        // As many as the outbox of the other connection takes.
        if sent % 250 == 249 {
            for expected in next.by_ref().take(250) {
                assert_eq!(client.next_text().await.unwrap(), expected.to_string());
            }
        }
    }
    assert_eq!(next, MESSAGES..MESSAGES);
    assert_eq!(hub(&b).cluster().stats().duplicates, 0);
}

async fn a_member_sends_to_the_others_of_its_room_on_all_nodes(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut one, _) = connect(&a, "jerry", "lobby").await;
    let (mut two, _) = connect(&b, "tom", "lobby").await;
    let (mut elsewhere, _) = connect(&b, "spike", "kitchen").await;
    one.send_text("from one").await;
    expect(&mut two, "from one").await;
    two.send_text("from two").await;
    expect(&mut one, "from two").await;
    hub(&a).all().push("to all");
    expect(&mut elsewhere, "to all").await;
}
