//! A user at one controller, and asks of one of the user's clients on any node.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::Instant};
use ws_core::{
    connection::AskError,
    hub::{ClusterState, NotSent, Remote, UserAt},
    prelude::*,
    testing::{TestApp, TestClient},
};

use crate::{
    brokers::{Broker, eventually, soon},
    nodes::{Plain, Room, connect, connect_plain, expect, hub, node, opened, pair, pair_with, settle},
};

rules! {
    a_user_at_a_controller_has_only_its_connections_there,
    exactly_one_client_is_asked_and_its_answer_is_returned,
    a_connection_of_this_node_is_asked_first_and_without_a_broker,
    an_ask_and_its_answer_are_in_the_format_of_the_connection,
    a_refusal_and_an_answer_of_another_type_are_those_of_the_client,
    without_an_open_connection_the_user_is_offline,
    while_the_broker_is_away_only_clients_of_this_node_are_asked,
    a_client_that_ends_before_its_answer_is_closed,
    an_answer_that_comes_too_late_is_a_timeout_and_is_dropped,
    asks_and_answers_are_at_most_as_large_as_a_message,
    asks_of_one_client_are_limited_on_its_node,
}

#[derive(Serialize, WsEvent)]
#[ws_event("double", answer = u32)]
struct Double {
    number: u32,
}

#[derive(Debug, Deserialize)]
struct Asked {
    event: String,
    data: Value,
    #[serde(rename = "ref")]
    reference: String,
}

fn at(node: &TestApp, user: &str) -> UserAt {
    hub(node).user(user).at::<Room>()
}

/// Asks in the background.
fn ask(node: &TestApp, number: u32) -> JoinHandle<Result<u32, AskError>> {
    let user = at(node, "tom");
    tokio::spawn(async move { user.ask(&Double { number }).timeout(Duration::from_secs(5)).await })
}

async fn asked(client: &mut TestClient) -> Asked {
    client.next_json().await.unwrap()
}

/// Answers an ask with this data.
async fn answer(client: &mut TestClient, asked: &Asked, event: &str, data: Value) {
    client.send_text(json!({"event": event, "data": data, "ref": asked.reference}).to_string()).await;
}

async fn a_user_at_a_controller_has_only_its_connections_there(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut one, at_a) = connect(&a, "tom", "lobby").await;
    let (mut two, at_b) = connect(&b, "tom", "lobby").await;
    let (mut other, _) = connect(&b, "jerry", "lobby").await;
    let (mut plain, conn) = connect_plain(&b).await;
    conn.identify("tom").unwrap();
    for node in [&a, &b] {
        let user = at(node, "tom");
        let expected: BTreeSet<_> = [&at_a, &at_b].map(|conn| conn.id().to_string()).into();
        let ids = user.ids().await.unwrap();
        assert_eq!(ids.iter().map(ToString::to_string).collect::<BTreeSet<_>>(), expected);
        assert_eq!((user.count().await, user.count_local()), (Ok(2), 1));
        assert_eq!(hub(node).user("tom").count().await, Ok(3));
        assert_eq!(hub(node).user("tom").at::<Plain>().ids().await.unwrap(), [conn.id()]);
        let delivery = user.push("both");
        assert_eq!((delivery.sent, delivery.remote), (1, Remote::Queued));
        assert_eq!(user.in_turns().event("named", &1).await.remote, Remote::Accepted);
        for client in [&mut one, &mut two] {
            expect(client, "both").await;
            expect(client, r#"{"event":"named","data":1}"#).await;
        }
    }
    let delivery = at(&a, "tom").except(at_b.id()).push("one of both");
    assert_eq!((delivery.sent, delivery.remote), (1, Remote::Queued));
    expect(&mut one, "one of both").await;
    assert_eq!(at(&a, "tom").disconnect(4000, "bye").unwrap().sent, 1);
    assert_eq!(one.expect_close(4000).await, "bye");
    assert_eq!(two.expect_close(4000).await, "bye");
    // These got nothing before.
    hub(&a).all().push("all");
    for client in [&mut other, &mut plain] {
        while client.next_text().await.unwrap() == "farewell" {}
    }
    assert!(conn.is_open());
}

async fn exactly_one_client_is_asked_and_its_answer_is_returned(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let c = node(broker, "c", crate::nodes::app(), |_| {}).await;
    crate::nodes::know_each_other(&[&a, &b, &c]).await;
    let mut clients = Vec::new();
    for node in [&b, &b, &c] {
        clients.push(connect(node, "tom", "lobby").await.0);
    }
    for number in 0..10 {
        let answers = ask(&a, number);
        let mut reads = Vec::new();
        for (at, client) in clients.iter_mut().enumerate() {
            reads.push(Box::pin(async move { (at, asked(client).await) }));
        }
        let ((at, asked), _, others) = soon(futures_util::future::select_all(reads)).await;
        drop(others);
        assert_eq!((&*asked.event, &asked.data), ("double", &json!({"number": number})));
        answer(&mut clients[at], &asked, "double", json!(number * 2)).await;
        assert_eq!(soon(answers).await.unwrap().unwrap(), number * 2);
    }
    // Any other message to a client would arrive before this.
    hub(&a).all().in_turns().push("no further ask").await;
    for client in &mut clients {
        expect(client, "no further ask").await;
    }
}

async fn a_connection_of_this_node_is_asked_first_and_without_a_broker(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut local, _) = connect(&a, "tom", "lobby").await;
    let (mut remote, _) = connect(&b, "tom", "lobby").await;
    let published = hub(&a).cluster().stats().published;
    let answers = ask(&a, 3);
    let question = asked(&mut local).await;
    answer(&mut local, &question, "double", json!(6)).await;
    assert_eq!(soon(answers).await.unwrap().unwrap(), 6);
    assert_eq!(hub(&a).cluster().stats().published, published);
    hub(&a).room::<Room>("lobby").push("nothing before");
    expect(&mut remote, "nothing before").await;
}

async fn an_ask_and_its_answer_are_in_the_format_of_the_connection(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let client = b.connect("/room/tom").subprotocols(&["msgpack"]).await.unwrap();
    let (mut client, conn) = opened(&b, client).await;
    settle(&conn).await;
    for from in [&a, &b] {
        let answers = ask(from, 4);
        let Message::Binary(bytes) = soon(client.next()).await.unwrap() else { panic!("text") };
        let asked: Asked = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!((&*asked.event, asked.data), ("double", json!({"number": 4})));
        let reply = json!({"event": "any", "data": 8, "ref": asked.reference});
        client.send_binary(rmp_serde::to_vec_named(&reply).unwrap()).await;
        assert_eq!(soon(answers).await.unwrap().unwrap(), 8);
    }
}

async fn a_refusal_and_an_answer_of_another_type_are_those_of_the_client(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    let answers = ask(&a, 1);
    let question = asked(&mut client).await;
    answer(&mut client, &question, "error", json!({"code": "busy", "message": "not now"})).await;
    match soon(answers).await.unwrap() {
        Err(AskError::Refused { code, message }) => assert_eq!((&*code, &*message), ("busy", "not now")),
        other => panic!("{other:?}"),
    }
    let answers = ask(&a, 1);
    let question = asked(&mut client).await;
    answer(&mut client, &question, "double", json!("two")).await;
    assert!(matches!(soon(answers).await.unwrap(), Err(AskError::Invalid(_))));
}

async fn without_an_open_connection_the_user_is_offline(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (_other, _) = connect(&b, "jerry", "lobby").await;
    let (_plain, conn) = connect_plain(&b).await;
    conn.identify("tom").unwrap();
    settle(&conn).await;
    let began = Instant::now();
    assert!(matches!(soon(ask(&a, 1)).await.unwrap(), Err(AskError::Offline)));
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
    let (client, _) = connect(&b, "tom", "lobby").await;
    drop(client);
    eventually("the connection ends", || hub(&b).count_local() == 2).await;
    assert!(matches!(soon(ask(&a, 1)).await.unwrap(), Err(AskError::Offline)));
}

async fn while_the_broker_is_away_only_clients_of_this_node_are_asked(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut remote, _) = connect(&b, "tom", "lobby").await;
    broker.stop();
    let cluster = hub(&a).cluster();
    eventually("the link ends", || matches!(cluster.state(), ClusterState::Down { .. })).await;
    assert!(matches!(soon(ask(&a, 1)).await.unwrap(), Err(AskError::Unreachable)));
    let answers = ask(&b, 1);
    let question = asked(&mut remote).await;
    answer(&mut remote, &question, "double", json!(2)).await;
    assert_eq!(soon(answers).await.unwrap().unwrap(), 2);
}

async fn a_client_that_ends_before_its_answer_is_closed(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut client, conn) = connect(&b, "tom", "lobby").await;
    let answers = ask(&a, 1);
    asked(&mut client).await;
    drop(client);
    match soon(answers).await.unwrap() {
        Err(AskError::Closed { connection }) => assert_eq!(connection, conn.id()),
        other => panic!("{other:?}"),
    }
}

async fn an_answer_that_comes_too_late_is_a_timeout_and_is_dropped(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    let timeout = Duration::from_secs(1);
    let began = Instant::now();
    let asks = futures_util::future::join_all((0..64).map(|number| {
        let user = at(&a, "tom");
        async move { user.ask(&Double { number }).timeout(timeout).await }
    }));
    for outcome in soon(asks).await {
        match outcome {
            Err(AskError::TimedOut(after)) => assert_eq!(after, timeout),
            other => panic!("{other:?}"),
        }
    }
    assert!(began.elapsed() >= timeout);
    for _ in 0..64 {
        let question = asked(&mut client).await;
        answer(&mut client, &question, "double", json!(2)).await;
    }
    // The node of the client forgets the asks as well. Otherwise they would exceed the limit.
    let answers = ask(&a, 5);
    let question = asked(&mut client).await;
    answer(&mut client, &question, "double", json!(10)).await;
    assert_eq!(soon(answers).await.unwrap().unwrap(), 10);
}

async fn asks_and_answers_are_at_most_as_large_as_a_message(broker: &Broker) {
    let (a, b) = pair_with(broker, |settings| settings.message = 8 << 10).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    let large = "x".repeat(20_000);
    let asked_large = soon(at(&a, "tom").ask_event::<Value>("large", &large).into_future()).await;
    assert!(matches!(asked_large, Err(AskError::NotSent(NotSent::TooLarge))), "{asked_large:?}");
    let user = at(&a, "tom");
    let answers = tokio::spawn(async move { user.ask_event::<String>("small", &1).await });
    let question = asked(&mut client).await;
    assert_eq!(question.event, "small");
    answer(&mut client, &question, "small", json!(large)).await;
    match soon(answers).await.unwrap() {
        Err(AskError::Invalid(text)) => assert!(text.contains("cluster.message"), "{text}"),
        other => panic!("{other:?}"),
    }
}

async fn asks_of_one_client_are_limited_on_its_node(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    let mut open = Vec::new();
    for number in 0..64 {
        open.push((ask(&a, number), asked(&mut client).await));
    }
    assert!(matches!(soon(ask(&a, 64)).await.unwrap(), Err(AskError::TooMany)));
    for (number, (answers, question)) in open.into_iter().enumerate() {
        answer(&mut client, &question, "double", json!(number)).await;
        assert_eq!(soon(answers).await.unwrap().unwrap() as usize, number);
    }
}

#[tokio::test(start_paused = true)]
async fn an_ask_of_a_node_that_is_killed_meanwhile_times_out() {
    let broker = Broker::memory();
    let (a, b) = pair(&broker).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    let answers = ask(&a, 1);
    let question = asked(&mut client).await;
    broker.faults().between(&b, &a).cut();
    answer(&mut client, &question, "double", json!(2)).await;
    match soon(answers).await.unwrap() {
        Err(AskError::TimedOut(after)) => assert_eq!(after, Duration::from_secs(5)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_answer_delays_an_ask_only_without_another_connection() {
    let broker = Broker::memory();
    let (a, b) = pair(&broker).await;
    let c = node(&broker, "c", crate::nodes::app(), |_| {}).await;
    crate::nodes::know_each_other(&[&a, &b, &c]).await;
    broker.faults().between(&b, &a).cut();
    let began = Instant::now();
    assert!(matches!(soon(ask(&a, 1)).await.unwrap(), Err(AskError::Unreachable)));
    assert_eq!(began.elapsed().as_secs(), 1, "the deadline of a question");
    let (mut client, _) = connect(&c, "tom", "lobby").await;
    let began = Instant::now();
    let answers = ask(&a, 1);
    let question = asked(&mut client).await;
    answer(&mut client, &question, "double", json!(2)).await;
    assert_eq!(soon(answers).await.unwrap().unwrap(), 2);
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_between_the_search_and_the_ask_is_searched_for_again() {
    let broker = Broker::memory();
    let (a, b) = pair(&broker).await;
    let (_first, conn) = connect(&b, "tom", "lobby").await;
    let delay = Duration::from_millis(100);
    broker.faults().between(&a, &b).delay(delay);
    let began = Instant::now();
    let answers = ask(&a, 1);
    let is_found = || began.elapsed() > delay + Duration::from_millis(50);
    eventually("the connection is found", is_found).await;
    conn.disconnect(4000, "bye").unwrap();
    eventually("the ask has failed", || began.elapsed() > delay * 2 + Duration::from_millis(20)).await;
    let (mut second, _) = connect(&b, "tom", "lobby").await;
    let question = asked(&mut second).await;
    answer(&mut second, &question, "double", json!(2)).await;
    assert_eq!(soon(answers).await.unwrap().unwrap(), 2);
}
