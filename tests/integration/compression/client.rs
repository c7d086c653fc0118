//! The client's side: what it offers, which answers it takes, and its messages.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use ws_core::{
    App, CloseReason, Message,
    client::{Client, ConnectError, ReconnectPolicy, Update},
    config::Compression,
    error::MessageError,
};

use super::{config_with, echo, noise, per_message, text, window};
use crate::support::{Echo, PATIENCE, Raw, Server, start_with, within};

/// A port for scripted servers, and its URI.
async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}/", listener.local_addr().unwrap());
    (listener, uri)
}

/// Accepts a connection and answers 101 with these lines. Returns the stream and the offer.
async fn accept(listener: &TcpListener, lines: &str) -> (Raw, Option<String>) {
    let mut stream = within("accept", listener.accept()).await.unwrap().0;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within("request head", stream.read_u8()).await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let header = |name: &str| {
        let line = head.split("\r\n").find(|line| line.to_lowercase().starts_with(name))?;
        Some(line.split_once(": ")?.1.to_owned())
    };
    let accept = derive_accept_key(header("sec-websocket-key").unwrap().as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{lines}\r\n"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    (Raw { stream }, header("sec-websocket-extensions"))
}

/// Connects to a server that answers the offer like this.
async fn answered(
    compression: &Compression,
    lines: &str,
) -> (Result<Client, ConnectError>, Raw, Option<String>) {
    let (listener, uri) = listen().await;
    let connecting = Client::builder(uri).compression(compression.clone()).connect();
    let (client, (raw, offered)) = tokio::join!(connecting, accept(&listener, lines));
    (client, raw, offered)
}

fn largest() -> Compression {
    let mut compression = window();
    compression.window = 32 << 10;
    compression
}

#[tokio::test]
async fn an_answer_that_was_not_asked_for_fails_the_handshake_and_says_why() {
    let off = Compression::default();
    for (compression, answer, fault) in [
        (&off, "permessage-deflate", "the 101 names an extension, but none was offered"),
        (&off, "x", "the 101 names an extension, but none was offered"),
        (&window(), "x-webkit-deflate-frame", "the server chose an extension that was not offered"),
        (&largest(), "permessage-deflate, permessage-deflate", "the server chose more than one extension"),
        (
            &largest(),
            "permessage-deflate\r\nSec-WebSocket-Extensions: x-other",
            "the server chose more than one extension",
        ),
        (&largest(), "permessage-deflate; x", "the server's answer has an invalid parameter"),
        (
            &largest(),
            "permessage-deflate; server_max_window_bits",
            "the server's answer has an invalid parameter",
        ),
        (
            &largest(),
            "permessage-deflate; server_max_window_bits=16",
            "the server's answer has an invalid parameter",
        ),
        (
            &largest(),
            "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
            "the server's answer has an invalid parameter",
        ),
        (
            &largest(),
            "permessage-deflate; client_max_window_bits",
            "`client_max_window_bits` in the server's answer has no value",
        ),
        (&largest(), "permessage-deflate;", "the header `sec-websocket-extensions` is malformed"),
        (&window(), "permessage-deflate", "the server did not accept `server_max_window_bits`"),
        (
            &window(),
            "permessage-deflate; server_max_window_bits=13",
            "the server did not accept `server_max_window_bits`",
        ),
        (&per_message(), "permessage-deflate", "the server did not accept `server_no_context_takeover`"),
        (
            &per_message(),
            "permessage-deflate; server_no_context_takeover; client_max_window_bits=9",
            "the server's answer has `client_max_window_bits`, which was not offered",
        ),
    ] {
        let lines = format!("Sec-WebSocket-Extensions: {answer}\r\n");
        let (client, _raw, _) = answered(compression, &lines).await;
        match client {
            Err(ConnectError::Protocol(text)) => assert_eq!(text, fault, "{answer}"),
            Err(other) => panic!("{answer}: {other:?}"),
            Ok(_) => panic!("{answer} is accepted"),
        }
    }
}

#[tokio::test]
async fn the_offer_follows_the_settings_and_faulty_ones_are_refused_before_it() {
    for (compression, expected) in [
        (Compression::default(), None),
        (per_message(), Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover")),
        (window(), Some("permessage-deflate; server_max_window_bits=12; client_max_window_bits")),
        (largest(), Some("permessage-deflate; client_max_window_bits")),
    ] {
        let (client, _raw, offered) = answered(&compression, "").await;
        assert_eq!(offered.as_deref(), expected);
        client.expect("a server may decline");
    }
    let (mut level, mut size) = (window(), window());
    (level.level, size.window) = (10, 1000);
    for (compression, part) in [(level, "`compression.level`"), (size, "`compression.window`")] {
        let connecting = Client::builder("ws://127.0.0.1:1/").compression(compression).connect();
        let Err(error @ ConnectError::InvalidCompression(_)) = connecting.await else { panic!("{part}") };
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_declines_gets_plain_messages_and_may_not_send_compressed_ones() {
    for compression in [Compression::default(), per_message(), window()] {
        let (client, mut raw, _) = answered(&compression, "").await;
        let mut client = client.unwrap();
        let message = text(1, 5000);
        let (sent, frame) = tokio::join!(client.send(message.clone()), raw.stream.read_u8());
        sent.unwrap();
        assert_eq!(frame.unwrap(), 0x81);
        raw.write(&[0xc1, 1, 0]).await;
        match client.recv(PATIENCE).await {
            ws_core::client::Received::Closed(CloseReason::Fault(fault @ MessageError::Protocol(_))) => {
                assert_eq!(fault.close_code(), 1002);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_fault_of_the_server_is_answered_with_its_code() {
    for (payload, code) in [
        (vec![0x06, 0x00], 1007),
        (super::noise(100), 1007),
        // A block of 300 bytes that are the same.
        (vec![0x63, 0x60, 0x18, 0x05, 0xa3, 0x60, 0x14, 0x8c, 0x82, 0x51, 0x00, 0x00], 1009),
    ] {
        let (listener, uri) = listen().await;
        let connecting = Client::builder(uri).compression(largest()).message_limit(100).connect();
        let answer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
        let (client, (mut raw, _)) = tokio::join!(connecting, accept(&listener, answer));
        let mut client = client.unwrap();
        raw.write(&[&[0xc2, payload.len() as u8], &payload[..]].concat()).await;
        match client.recv(PATIENCE).await {
            ws_core::client::Received::Closed(CloseReason::Fault(fault)) => {
                assert_eq!(fault.close_code(), code, "{payload:x?}: {fault}");
            }
            other => panic!("{payload:x?}: {other:?}"),
        }
    }
}

/// Exchanges messages of many sizes, both plain and compressible ones.
async fn exchange(client: &mut Client) {
    for (number, length) in [10, 300, 5000, 200_000, 64, 1, 0, 70_000, 900].into_iter().enumerate() {
        let message = match number % 3 {
            2 => Message::binary(noise(length)),
            _ => Message::text(text(number, length)),
        };
        client.send(message.clone()).await.unwrap();
        match client.recv(PATIENCE).await {
            ws_core::client::Received::Message(received) => assert!(received == message, "{length}"),
            other => panic!("{length}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn every_setting_of_a_client_works_with_every_setting_of_a_server() {
    let with_window = |bytes| {
        let mut compression = window();
        compression.window = bytes;
        compression
    };
    let all = || {
        [Compression::default(), per_message(), with_window(512), with_window(4 << 10), with_window(32 << 10)]
    };
    for of_server in all() {
        let server = echo(of_server.clone()).await;
        for of_client in all() {
            let builder = Client::builder(format!("ws://{}/", server.addr)).compression(of_client.clone());
            let mut client = builder.connect().await.unwrap();
            let chosen = client.response_headers().get("sec-websocket-extensions").cloned();
            let is_on = [&of_server, &of_client].iter().all(|it| **it != Compression::default());
            assert_eq!(chosen.is_some(), is_on, "{of_client:?} and {of_server:?}");
            exchange(&mut client).await;
            assert_eq!(client.close(1000, "").await.unwrap().code(), 1000);
        }
        let stats = server.running.stats();
        let route = &stats.servers[0].routes[0];
        let is_off = of_server == Compression::default();
        for compressed in [route.received_compression, route.sent_compression] {
            assert_eq!(compressed.before == 0, is_off);
            assert!(is_off || compressed.after < compressed.before / 2, "{compressed:?}");
        }
    }
}

#[tokio::test]
async fn a_client_of_another_project_is_served_without_compression() {
    let server = echo(window()).await;
    let mut client = server.connect("/").await;
    let message = text(1, 5000);
    crate::support::send(&mut client, &message).await;
    assert_eq!(crate::support::next_text(&mut client).await, message);
}

async fn restarted(addr: std::net::SocketAddr, compression: Compression) -> Server {
    let mut config = config_with(compression);
    config.servers[0].port = addr.port();
    start_with(App::without_registry().controller("/", Echo), config).await
}

#[tokio::test]
async fn a_new_connection_negotiates_again_and_knows_nothing_of_the_old_windows() {
    let server = echo(window()).await;
    let addr = server.addr;
    let policy = ReconnectPolicy::new().backoff(Duration::from_millis(1), Duration::from_millis(20));
    let mut client =
        Client::builder(format!("ws://{addr}/")).compression(window()).reconnect(policy).await.unwrap();
    for number in 0..5 {
        client.send(text(number, 2000)).await.unwrap();
        let received = client.recv(PATIENCE).await.unwrap();
        assert_eq!(received, Update::Message(Message::text(text(number, 2000))));
    }
    within("shutdown", server.running.shutdown()).await;
    let _server = restarted(addr, window()).await;
    let Update::Reconnected(news) = client.recv(PATIENCE).await.unwrap() else { panic!("no news") };
    // The pong behind each message was read before its echo.
    assert_eq!(news.unconfirmed, 0);
    for number in 0..5 {
        client.send(text(number, 2000)).await.unwrap();
        let received = client.recv(PATIENCE).await.unwrap();
        assert_eq!(received, Update::Message(Message::text(text(number, 2000))));
    }
}

#[tokio::test]
async fn compressed_messages_that_no_pong_confirmed_are_counted() {
    let (listener, uri) = listen().await;
    let answer = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=12\r\n";
    let policy = ReconnectPolicy::new().backoff(Duration::from_millis(1), Duration::from_millis(20));
    let connecting = Client::builder(uri).compression(window()).reconnect(policy);
    let (client, (raw, _)) = tokio::join!(connecting, accept(&listener, answer));
    let mut client = client.unwrap();
    for number in 0..3 {
        client.send(text(number, 2000)).await.unwrap();
    }
    drop(raw);
    let (update, _raw) = tokio::join!(client.recv(PATIENCE), accept(&listener, ""));
    let Update::Reconnected(news) = update.unwrap() else { panic!("no news") };
    assert_eq!(news.unconfirmed, 3);
}

#[tokio::test]
async fn a_ping_behind_a_message_leaves_behind_it() {
    let (listener, uri) = listen().await;
    let answer = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=12\r\n";
    let connecting = Client::builder(uri).compression(window()).reconnect(ReconnectPolicy::new());
    let (client, (mut raw, _)) = tokio::join!(connecting, accept(&listener, answer));
    let mut client = client.unwrap();
    let sending = tokio::spawn(async move {
        // Compressed in several slices.
        client.send(text(1, 1 << 20)).await.unwrap();
        client
    });
    let mut firsts = Vec::new();
    for _ in 0..2 {
        let mut head = [0; 2];
        within("a header", raw.stream.read_exact(&mut head)).await.unwrap();
        let length = match head[1] & 0x7f {
            126 => u64::from(raw.stream.read_u16().await.unwrap()),
            127 => raw.stream.read_u64().await.unwrap(),
            short => short.into(),
        };
        assert_eq!(head[1] & 0x80, 0x80, "a client masks");
        let mut rest = vec![0; length as usize + 4];
        within("a frame", raw.stream.read_exact(&mut rest)).await.unwrap();
        firsts.push(head[0]);
    }
    assert_eq!(firsts, [0xc1, 0x89]);
    within("sending", sending).await.unwrap();
}
