//! A client whose two halves are in different tasks.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::task::JoinSet;
use tokio_tungstenite::{accept_async, tungstenite};
use ws_core::{
    App, CloseReason, Message,
    client::{
        Client, ClientError, ClientReceiver, ClientSender, Received, ReconnectPolicy, ReconnectingReceiver,
        Update,
    },
};

use super::{accept, listen, probe};
use crate::support::{PATIENCE, Probe, Seen, start, within};

fn closed_by_client(code: u16) -> CloseReason {
    CloseReason::Peer { code: Some(code), reason: "".into() }
}

#[test]
fn the_sides_may_be_in_any_task() {
    fn check<T: Send + Sync + 'static>() {}
    check::<ClientSender>();
    check::<ClientReceiver>();
    check::<ReconnectingReceiver>();
}

#[tokio::test]
async fn many_tasks_send_and_pings_are_answered_without_a_receiver() {
    let (_server, uri, mut reports) = probe().await;
    let (sender, mut receiver) = Client::connect(uri).await.unwrap().split();
    let conn = reports.open().await;
    let mut tasks = JoinSet::new();
    for number in 0..8 {
        let sender = sender.clone();
        tasks.spawn(async move {
            for round in 0..10 {
                sender.push_json(&(number, round)).await.unwrap();
            }
        });
    }
    let mut next = [0; 8];
    for _ in 0..80 {
        let Seen::Message(message) = reports.next().await else { panic!("not a message") };
        let (number, round): (usize, u32) = serde_json::from_str(message.as_text().unwrap()).unwrap();
        assert_eq!(round, next[number], "the messages of a task are in order");
        next[number] += 1;
    }
    tasks.join_all().await;

    conn.ping("anybody?").unwrap();
    assert!(matches!(reports.next().await, Seen::Pong(payload) if payload == "anybody?"));
    conn.push("hi").unwrap();
    assert_eq!(receiver.recv(PATIENCE).await, Received::Message(Message::text("hi")));
    assert_eq!(receiver.recv(Duration::from_millis(1)).await, Received::TimedOut);
    assert!(sender.is_open());
}

#[tokio::test]
async fn a_close_is_for_both_sides_and_all_senders() {
    let (_server, uri, mut reports) = probe().await;
    let (sender, mut receiver) = Client::connect(uri).await.unwrap().split();
    reports.open().await;
    assert!(matches!(sender.close(1005, "").await, Err(ClientError::CloseCode(1005))));
    sender.send("still open").await.unwrap();
    assert!(matches!(reports.next().await, Seen::Message(_)));

    let other = sender.clone();
    let (first, second) = tokio::join!(sender.close(4000, "done"), other.close(4001, "too late"));
    assert_eq!((first.unwrap().code(), second.unwrap().code()), (4000, 4000));
    assert_eq!(reports.close().await, CloseReason::Peer { code: Some(4000), reason: "done".into() });
    for _ in 0..2 {
        let received = receiver.recv(PATIENCE).await;
        assert!(matches!(&received, Received::Closed(reason) if reason.code() == 4000), "{received:?}");
    }
    assert!(matches!(sender.send("late").await, Err(ClientError::Closed(reason)) if reason.code() == 4000));
    assert!(!sender.is_open());
}

#[tokio::test]
async fn messages_before_the_servers_close_are_received_and_then_its_reason() {
    let (_server, uri, mut reports) = probe().await;
    let (sender, mut receiver) = Client::connect(uri).await.unwrap().split();
    let conn = reports.open().await;
    conn.push("one").unwrap();
    conn.disconnect(4002, "go").unwrap();
    reports.close().await;
    assert_eq!(receiver.recv(PATIENCE).await, Received::Message(Message::text("one")));
    let reason = CloseReason::Peer { code: Some(4002), reason: "go".into() };
    assert_eq!(receiver.recv(PATIENCE).await, Received::Closed(reason.clone()));
    assert_eq!(sender.close(1000, "").await.unwrap(), reason);
}

#[tokio::test]
async fn the_last_side_that_is_dropped_closes_with_1000() {
    let (_server, uri, mut reports) = probe().await;
    let (sender, mut receiver) = Client::connect(&uri).await.unwrap().split();
    let conn = reports.open().await;
    drop((sender.clone(), sender));
    conn.push("one").unwrap();
    assert_eq!(receiver.recv(PATIENCE).await, Received::Message(Message::text("one")));
    drop(receiver);
    assert_eq!(reports.close().await, closed_by_client(1000));

    let (sender, receiver) = Client::connect(&uri).await.unwrap().split();
    let conn = reports.open().await;
    drop(receiver);
    for _ in 0..100 {
        conn.send("it is not received").await.unwrap();
    }
    conn.ping("still there?").unwrap();
    assert!(matches!(reports.next().await, Seen::Pong(_)));
    sender.send("hi").await.unwrap();
    assert!(matches!(reports.next().await, Seen::Message(_)));
    drop(sender);
    assert_eq!(reports.close().await, closed_by_client(1000));
}

#[tokio::test]
async fn nothing_is_lost_by_a_receiver_that_is_slow_or_cancelled() {
    let (_server, uri, mut reports) = probe().await;
    let (_sender, mut receiver) = Client::connect(uri).await.unwrap().split();
    let conn = reports.open().await;
    let sending = tokio::spawn(async move {
        for number in 0..500_u32 {
            conn.send(number.to_string()).await.unwrap();
        }
    });
    for number in 0..500_u32 {
        if number % 3 == 0 {
            tokio::select! {
                biased;
                () = std::future::ready(()) => {}
                _ = receiver.recv(None) => unreachable!("the other branch is ready"),
            }
        }
        assert_eq!(
            receiver.recv(PATIENCE).await,
            Received::Message(Message::text(number.to_string())),
            "{number}"
        );
    }
    sending.await.unwrap();
}

#[tokio::test]
async fn a_queued_message_whose_send_is_dropped_is_not_sent() {
    let (listener, uri) = listen().await;
    let connect = Client::builder(uri).send_deadline(Duration::from_millis(50)).connect();
    let (client, mut socket) =
        tokio::join!(connect, async { accept_async(accept(&listener).await).await.unwrap() });
    let (sender, _receiver) = client.unwrap().split();
    let large = Message::binary(vec![0; 1 << 20]);
    while sender.send(large.clone()).await.is_ok() {}
    // It waits after the bytes that the socket does not accept.
    let late = sender.send("late").await.unwrap_err();
    assert!(matches!(late, ClientError::Timeout { .. }), "{late:?}");
    assert!(futures_util::FutureExt::now_or_never(sender.send("dropped at once")).is_none());

    let reading = tokio::spawn(async move {
        loop {
            if let tungstenite::Message::Text(text) = socket.next().await.unwrap().unwrap() {
                return text;
            }
        }
    });
    within("room in the socket", async { while sender.send("in time").await.is_err() {} }).await;
    assert_eq!(within("a text", reading).await.unwrap(), "in time");
}

#[tokio::test]
async fn a_split_client_connects_again_and_keeps_nothing_for_the_new_connection() {
    let (listener, uri) = listen().await;
    let policy = ReconnectPolicy::new().backoff(Duration::from_millis(1), Duration::from_millis(20));
    let accept_one = async || accept_async(accept(&listener).await).await.unwrap();
    let (client, socket) = tokio::join!(Client::builder(uri.clone()).reconnect(policy), accept_one());
    let (sender, mut receiver) = client.unwrap().split();
    drop(socket);
    // The task connects at once, but its handshake is not answered yet.
    let error = within("the outage", async {
        loop {
            if let Err(error) = sender.send("lost").await {
                break error;
            }
        }
    })
    .await;
    assert!(matches!(error, ClientError::Reconnecting(_)), "{error:?}");
    assert!(sender.is_open());

    let mut socket = within("the new connection", accept_one()).await;
    let update = receiver.recv(PATIENCE).await.unwrap();
    assert!(matches!(update, Update::Reconnected(_)), "{update:?}");
    sender.send("new").await.unwrap();
    socket.send(tungstenite::Message::text("welcome back")).await.unwrap();
    let first = loop {
        match within("a text", socket.next()).await.unwrap().unwrap() {
            tungstenite::Message::Text(text) => break text,
            _ => continue,
        }
    };
    assert_eq!(first, "new");
    let update = receiver.recv(PATIENCE).await.unwrap();
    assert_eq!(update, Update::Message(Message::text("welcome back")));

    let (closed, ()) = tokio::join!(sender.close(1000, ""), async { while socket.next().await.is_some() {} });
    assert_eq!(closed.unwrap().code(), 1000);
    for _ in 0..2 {
        assert_eq!(receiver.recv(PATIENCE).await.unwrap_err().lost.code(), 1000);
    }
}

#[tokio::test]
async fn giving_up_is_reported_to_both_sides() {
    let (probe, mut reports) = Probe::new();
    let server = start(App::without_registry().controller("/", probe)).await;
    let client =
        Client::builder(format!("ws://{}/", server.addr)).reconnect(ReconnectPolicy::new()).await.unwrap();
    let (sender, mut receiver) = client.split();
    reports.open().await.disconnect(4403, "").unwrap();
    let gave_up = receiver.recv(PATIENCE).await.unwrap_err();
    assert_eq!(gave_up.lost.code(), 4403);
    assert!(matches!(sender.send("late").await, Err(ClientError::GaveUp(_))));
}
