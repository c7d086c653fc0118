//! The client that comes back: what it tells, what it counts, when it gives up.

use std::time::Duration;

use http::StatusCode;
use tokio_tungstenite::accept_async;
use ws_core::{
    App, Message,
    client::{Client, ClientError, GaveUp, ReconnectPolicy, Update},
};

use super::{accept, answer, listen};
use crate::support::{Echo, Logs, PATIENCE, config, start, start_with, within};

fn policy() -> ReconnectPolicy {
    ReconnectPolicy::new().backoff(Duration::from_millis(1), Duration::from_millis(20))
}

#[tokio::test]
async fn a_restarted_server_is_found_again_and_nothing_crosses_unannounced() {
    let app = || App::without_registry().controller("/", Echo);
    let server = start(app()).await;
    let addr = server.addr;
    let mut client = Client::builder(format!("ws://{addr}/")).reconnect(policy()).await.unwrap();
    client.send("one").await.unwrap();
    assert_eq!(client.recv(PATIENCE).await.unwrap(), Update::Message(Message::text("one")));

    let logs = Logs::start();
    let outage = async {
        while !logs.text().contains("not reconnected") {
            assert_eq!(client.recv(Duration::from_millis(10)).await.unwrap(), Update::TimedOut);
        }
    };
    tokio::join!(server.running.shutdown(), within("an attempt that fails", outage));
    assert!(client.current().is_none(), "the outage goes on");

    let mut config = config();
    config.servers[0].port = addr.port();
    let _server = start_with(app(), config).await;
    // `send` works on the connection, but leaves it to the program what to send on a new one.
    let ClientError::Reconnected(news) = within("news", client.send("two")).await.unwrap_err() else {
        panic!()
    };
    assert_eq!(news.lost.code(), 1001);
    assert!(news.attempts >= 2, "{news}");
    client.send("three").await.unwrap();
    assert_eq!(client.recv(PATIENCE).await.unwrap(), Update::Message(Message::text("three")));
    assert_eq!(client.close(1000, "").await.unwrap().code(), 1000);
}

#[tokio::test]
async fn what_no_pong_confirmed_is_counted() {
    let (listener, uri) = listen().await;
    let connect = Client::builder(uri).reconnect(policy());
    let accept_one = async || accept_async(accept(&listener).await).await.unwrap();
    let (client, socket) = tokio::join!(connect, accept_one());
    let mut client = client.unwrap();
    for text in ["one", "two", "three"] {
        client.send(text).await.unwrap();
    }
    drop(socket); // without having read a thing
    let (update, _socket) = tokio::join!(client.recv(PATIENCE), accept_one());
    let Update::Reconnected(news) = update.unwrap() else { panic!("no news") };
    assert_eq!((news.unconfirmed, news.attempts), (3, 1));
}

/// What a client says when a connection is lost and the next attempts are answered with these bytes, one by one.
async fn after_a_loss(policy: ReconnectPolicy, answers: &[&[u8]]) -> Result<Update, GaveUp> {
    let (listener, uri) = listen().await;
    let (client, socket) = tokio::join!(Client::builder(uri).reconnect(policy), async {
        accept_async(accept(&listener).await).await
    });
    drop(socket);
    let mut client = client.unwrap();
    let server = async {
        for bytes in answers {
            drop(answer(&listener, bytes).await);
        }
        accept_async(accept(&listener).await).await
    };
    tokio::select! {
        update = client.recv(PATIENCE) => update,
        // Held, so that the connection stays.
        (_socket, update) = async { tokio::join!(server, std::future::pending::<()>()) } => unreachable!("{update:?}"),
    }
}

#[tokio::test]
async fn a_refusal_is_final_or_not_by_its_status() {
    let gave_up =
        after_a_loss(policy(), &[b"HTTP/1.1 401 U\r\nContent-Length: 0\r\n\r\n"]).await.unwrap_err();
    assert_eq!(gave_up.attempts, 1);
    assert_eq!(gave_up.error.unwrap().status(), Some(StatusCode::UNAUTHORIZED));

    let busy: [&[u8]; 2] = [
        b"HTTP/1.1 503 S\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 429 T\r\nContent-Length: 0\r\n\r\n",
    ];
    let Update::Reconnected(news) = after_a_loss(policy(), &busy).await.unwrap() else { panic!("no news") };
    assert_eq!(news.attempts, 3);

    let gave_up = after_a_loss(policy().max_attempts(2), &[busy[1]; 2]).await.unwrap_err();
    assert_eq!(gave_up.attempts, 2);
    let gave_up = after_a_loss(policy().max_attempts(0), &[]).await.unwrap_err();
    assert_eq!(gave_up.to_string(), "gave up after 0 attempts: no attempt is allowed");
}
