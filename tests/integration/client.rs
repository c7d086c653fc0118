//! The client with a server of this project, and with servers that misbehave.

mod over;
mod reconnect;
mod roots;
mod split;

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, rustls};
use tokio_tungstenite::{WebSocketStream, accept_async};
use ws_core::{
    App, CloseReason, Handshake, Message, Next, Response, Result, Route,
    client::{Client, ClientError, ConnectError, Received},
    error::MessageError,
};

use crate::support::{Echo, PATIENCE, Probe, Reports, Seen, Server, start, within};

async fn probe() -> (Server, String, Reports) {
    let (probe, reports) = Probe::new();
    let server =
        start(App::without_registry().route(Route::new("/", probe).subprotocols(&["v2", "v1"]))).await;
    let uri = format!("ws://{}/", server.addr);
    (server, uri, reports)
}

/// Returns a listener and its URI.
async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}/", listener.local_addr().unwrap());
    (listener, uri)
}

async fn accept(listener: &TcpListener) -> TcpStream {
    within("accept", listener.accept()).await.unwrap().0
}

/// Reads a request head and answers with these bytes. The stream stays open while it is held.
async fn answer(listener: &TcpListener, bytes: &[u8]) -> TcpStream {
    let mut stream = accept(listener).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within("request head", stream.read_u8()).await.unwrap());
    }
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Returns the error of a connection to a server that answers with these bytes. With `hold` the
/// stream stays open, otherwise it is closed.
async fn refused_by(bytes: &'static [u8], hold: bool) -> ConnectError {
    refused_in(PATIENCE, bytes, hold).await
}

/// The same for an answer that does not end. The client waits for it until the deadline.
async fn refused_in(deadline: Duration, bytes: &'static [u8], hold: bool) -> ConnectError {
    let (listener, uri) = listen().await;
    let server = tokio::spawn(async move {
        let stream = answer(&listener, bytes).await;
        if hold {
            std::future::pending::<()>().await;
        }
        drop(stream);
    });
    let connect = Client::builder(uri).connect_deadline(deadline).connect();
    let error = within("refusal", connect).await.unwrap_err();
    server.abort();
    error
}

async fn recv(client: &mut Client) -> Received {
    client.recv(PATIENCE).await
}

/// Returns the next message; fails for anything else.
async fn next_message(client: &mut Client) -> Message {
    match recv(client).await {
        Received::Message(message) => message,
        other => panic!("not a message: {other:?}"),
    }
}

/// A self-signed certificate for `localhost` in PEM, and the configuration of its server.
fn certificate() -> (String, Arc<rustls::ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
    (made.cert.pem(), Arc::new(config))
}

/// Sends messages back until the client closes.
async fn echo_one<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<S>) {
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() || message.is_binary() {
            socket.send(message).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_settings_of_the_builder_are_in_the_handshake() {
    let (_server, uri, mut reports) = probe().await;
    let client = Client::builder(uri + "?a=1")
        .header("x-trace", "7")
        .bearer("secret")
        .query("b", "x y&z")
        .subprotocols(["v3", "v1"])
        .connect()
        .await
        .unwrap();
    assert_eq!(client.subprotocol(), Some("v1"));
    assert_eq!(client.response_headers()["upgrade"], "websocket");

    let conn = reports.open().await;
    let handshake = conn.handshake();
    assert_eq!(handshake.header("x-trace"), Some("7"));
    assert_eq!(handshake.bearer_token(), Ok("secret"));
    assert_eq!(handshake.query_param("a").as_deref(), Some("1"));
    assert_eq!(handshake.query_param("b").as_deref(), Some("x y&z"));
    assert_eq!(handshake.offered_subprotocols().collect::<Vec<_>>(), ["v3", "v1"]);
}

#[tokio::test]
async fn p32_receiving_has_three_results() {
    let (_server, uri, mut reports) = probe().await;
    let mut client = Client::connect(uri).await.unwrap();
    let conn = reports.open().await;
    assert_eq!(client.recv(Duration::from_millis(1)).await, Received::TimedOut);

    client.push_json(&["hi"]).await.unwrap();
    assert!(matches!(reports.next().await, Seen::Message(message) if message.as_text() == Some(r#"["hi"]"#)));
    client.send(vec![1, 2]).await.unwrap();
    assert!(matches!(reports.next().await, Seen::Message(message) if message == Message::binary(vec![1, 2])));

    conn.push("one").unwrap();
    conn.disconnect(4001, "go").unwrap();
    assert_eq!(recv(&mut client).await, Received::Message(Message::text("one")));
    let closed = Received::Closed(CloseReason::Peer { code: Some(4001), reason: "go".into() });
    assert_eq!(recv(&mut client).await, closed);
    assert_eq!(recv(&mut client).await, closed, "and again");
    assert!(!client.is_open());
    assert!(matches!(client.send("late").await, Err(ClientError::Closed(reason)) if reason.code() == 4001));
}

#[tokio::test]
async fn close_sends_code_and_reason_and_returns_the_answer() {
    let (_server, uri, mut reports) = probe().await;
    let client = Client::connect(&uri).await.unwrap();
    reports.open().await;
    let sent = CloseReason::Peer { code: Some(4000), reason: "bye".into() };
    assert_eq!(client.close(4000, "bye").await.unwrap().code(), 4000);
    assert_eq!(reports.close().await, sent);

    let client = Client::connect(&uri).await.unwrap();
    reports.open().await;
    assert!(matches!(client.close(1005, "").await, Err(ClientError::CloseCode(1005))));
    assert_eq!(reports.close().await.code(), 1000);
}

#[tokio::test]
async fn any_close_code_that_a_server_may_send_is_received_and_answered_with_itself() {
    let (listener, uri) = listen().await;
    for (code, answer) in [
        (1000, 1000),
        (1002, 1002),
        (1013, 1013),
        (1014, 1014),
        (3000, 3000),
        (4999, 4999),
        (1005, 1002),
        (1016, 1002),
        (2999, 1002),
    ] {
        let (client, socket) = tokio::join!(Client::connect(&uri), async {
            accept_async(accept(&listener).await).await.unwrap()
        });
        let (mut client, mut stream) = (client.unwrap(), socket.into_inner());
        let payload = [&u16::to_be_bytes(code)[..], b"why"].concat();
        stream.write_all(&[&[0x88, payload.len() as u8], &payload[..]].concat()).await.unwrap();
        let Received::Closed(reason) = recv(&mut client).await else { panic!("{code}: not closed") };
        if code == answer {
            assert_eq!(reason, CloseReason::Peer { code: Some(code), reason: "why".into() });
        } else {
            assert!(matches!(reason, CloseReason::Fault(MessageError::Protocol(_))), "{code}: {reason:?}");
        }
        let mut head = [0; 8];
        within("the answer", stream.read_exact(&mut head)).await.unwrap();
        let [first, length, mask @ .., high, low] = head;
        assert_eq!((first, length & 0x80), (0x88, 0x80), "{code}: a masked close frame");
        assert_eq!(u16::from_be_bytes([high ^ mask[0], low ^ mask[1]]), answer, "{code}");
    }
}

#[tokio::test]
async fn a_server_and_its_client_accept_1014() {
    let (_server, uri, mut reports) = probe().await;
    let mut client = Client::connect(&uri).await.unwrap();
    reports.open().await.disconnect(1014, "bad gateway").unwrap();
    let reason = CloseReason::Peer { code: Some(1014), reason: "bad gateway".into() };
    assert_eq!(recv(&mut client).await, Received::Closed(reason.clone()));
    assert_eq!(reports.close().await.code(), 1014);

    let client = Client::connect(&uri).await.unwrap();
    reports.open().await;
    assert_eq!(client.close(1014, "bad gateway").await.unwrap().code(), 1014);
    assert_eq!(reports.close().await, reason);
}

#[tokio::test]
async fn dropping_closes_with_1000_with_and_without_a_runtime() {
    let (_server, uri, mut reports) = probe().await;
    let closed = CloseReason::Peer { code: Some(1000), reason: "".into() };
    let client = Client::connect(&uri).await.unwrap();
    // Unread input must not turn the close into a reset.
    reports.open().await.push("unread").unwrap();
    drop(client);
    assert_eq!(reports.close().await, closed);

    let client = Client::connect(&uri).await.unwrap();
    reports.open().await;
    std::thread::spawn(move || drop(client)).join().unwrap();
    assert_eq!(reports.close().await, closed);
}

#[tokio::test]
async fn p32_a_refusal_has_status_headers_and_body() {
    async fn deny(_: Handshake, _: Next<'_>) -> Result<Response> {
        let mut response = ws_core::handshake::Body::json(StatusCode::UNAUTHORIZED, &"who are you");
        response.headers_mut().insert("www-authenticate", "Bearer".parse().unwrap());
        Ok(response)
    }
    let app = App::without_registry().controller("/", Echo).middleware("ws", 0, deny);
    let server = start(app).await;
    let error = Client::connect(format!("ws://{}/", server.addr)).await.unwrap_err();
    assert_eq!(error.to_string(), "refused with status 401 Unauthorized");
    let ConnectError::Refused { status, headers, body } = error else { panic!("{error:?}") };
    assert_eq!(status, 401);
    assert_eq!(headers["www-authenticate"], "Bearer");
    assert_eq!(body, r#""who are you""#);
}

#[tokio::test]
async fn the_body_of_a_refusal_is_read_as_it_is_sent_and_bounded() {
    let check = |error, expected: &[u8]| {
        let ConnectError::Refused { body, .. } = error else { panic!("{error:?}") };
        assert!(body == expected, "{} bytes", body.len());
    };
    let chunked = b"HTTP/1.1 403 F\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    check(refused_by(chunked, true).await, b"abc");
    let large = [b"HTTP/1.1 403 F\r\n\r\n".as_slice(), &vec![b'x'; 100_000]].concat();
    check(refused_by(large.leak(), false).await, &vec![b'x'; 64 << 10]);
    let cut_short = b"HTTP/1.1 403 F\r\nContent-Length: 9\r\n\r\nabc";
    check(refused_in(Duration::from_secs(1), cut_short, true).await, b"abc");
}

#[tokio::test]
async fn invalid_settings_are_reported_before_connecting() {
    let (_listener, uri) = listen().await;
    let error = Client::connect("http://localhost/").await.unwrap_err();
    assert!(matches!(error, ConnectError::InvalidUri { .. }), "{error:?}");
    let error = Client::builder(&uri).header("upgrade", "h2c").connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::InvalidHeader { .. }), "{error:?}");
    let error = Client::builder(&uri).subprotocols(["a b"]).connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::InvalidSubprotocol(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_that_never_answers_meets_the_connect_deadline() {
    let (_listener, uri) = listen().await;
    let after = Duration::from_millis(50);
    for uri in [uri.clone(), uri.replace("ws:", "wss:")] {
        let error =
            within("deadline", Client::builder(uri).connect_deadline(after).connect()).await.unwrap_err();
        assert!(matches!(error, ConnectError::Timeout { after: seen } if seen == after), "{error:?}");
    }
}

#[tokio::test]
async fn a_refused_and_a_closed_stream_are_network_errors() {
    let (listener, uri) = listen().await;
    drop(listener);
    let error = Client::connect(uri).await.unwrap_err();
    assert!(matches!(&error, ConnectError::Io(_)), "{error:?}");
    let error = refused_by(b"", false).await;
    assert!(matches!(&error, ConnectError::Io(_)), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_is_not_a_handshake_is_a_protocol_error() {
    let answers: [&[u8]; 3] = [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 101 Sure\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 101 Sure\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
    ];
    for bytes in answers {
        let error = refused_by(bytes, true).await;
        assert!(matches!(error, ConnectError::Protocol(_)), "{error:?}");
    }
}

#[tokio::test]
async fn wss_trusts_the_configured_certificates() {
    let server = start(App::without_registry().controller("/", Echo)).await;
    let (pem, tls) = certificate();
    let (listener, uri) = listen().await;
    let uri = uri.replace("ws://127.0.0.1", "wss://localhost");
    let addr = server.addr;
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(tls);
        loop {
            let Ok(mut outer) = acceptor.accept(accept(&listener).await).await else { continue };
            let mut inner = TcpStream::connect(addr).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut outer, &mut inner).await });
        }
    });

    let error = within("distrust", Client::connect(&uri)).await.unwrap_err();
    assert!(matches!(error, ConnectError::Tls(_)), "{error:?}");
    let error = Client::builder(&uri).root_certificates_pem("none").connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Tls(_)), "{error:?}");

    let trusting = Client::builder(&uri).root_certificates_pem(pem);
    let mut client = within("trust", trusting.connect()).await.unwrap();
    client.send("hi").await.unwrap();
    assert_eq!(recv(&mut client).await, Received::Message(Message::text("hi")));
    assert_eq!(client.close(1000, "").await.unwrap().code(), 1000);
}

#[tokio::test]
async fn a_server_that_neither_reads_nor_answers_meets_the_deadlines() {
    let (listener, uri) = listen().await;
    let brief = Duration::from_millis(50);
    let connect = Client::builder(uri).send_deadline(brief).close_deadline(brief).connect();
    let (client, _socket) =
        tokio::join!(connect, async { accept_async(accept(&listener).await).await.unwrap() });
    let mut client = client.unwrap();
    let not_json = std::collections::HashMap::from([([1], 2)]);
    assert!(matches!(client.push_json(&not_json).await, Err(ClientError::Serialize(_))));

    let large = Message::binary(vec![0; 1 << 20]);
    let error = loop {
        if let Err(error) = within("a full socket", client.send(large.clone())).await {
            break error;
        }
    };
    assert!(matches!(error, ClientError::Timeout { after } if after == brief), "{error:?}");
    let error = within("no answer", client.close(1000, "")).await.unwrap_err();
    assert!(matches!(error, ClientError::Timeout { .. }), "{error:?}");
}

#[tokio::test]
async fn a_message_over_the_limit_is_a_fault_and_closes_with_1009() {
    let (_server, uri, mut reports) = probe().await;
    let mut client = Client::builder(uri).message_limit(10).connect().await.unwrap();
    reports.open().await.push("eleven bytes").unwrap();
    let fault = MessageError::TooBig { size: 12, limit: 10 };
    assert_eq!(recv(&mut client).await, Received::Closed(CloseReason::Fault(fault)));
    assert_eq!(reports.close().await.code(), 1009);
}

#[tokio::test]
async fn pings_are_answered_while_receiving_and_while_only_sending() {
    let (_server, uri, mut reports) = probe().await;
    let mut client = Client::connect(uri).await.unwrap();
    let conn = reports.open().await;
    conn.ping("while receiving").unwrap();
    let (received, ()) = tokio::join!(recv(&mut client), async {
        assert!(matches!(reports.next().await, Seen::Pong(payload) if payload == "while receiving"));
        conn.push("done").unwrap();
    });
    assert_eq!(received, Received::Message(Message::text("done")));

    conn.push("kept").unwrap();
    conn.ping("while sending").unwrap();
    // The kept message blocks reading, and with it the pong, until it is taken.
    assert_eq!(recv(&mut client).await, Received::Message(Message::text("kept")));
    loop {
        client.send("on and on").await.unwrap();
        if matches!(reports.next().await, Seen::Pong(payload) if payload == "while sending") {
            break;
        }
    }
}

#[tokio::test]
async fn a_silent_server_is_reported_after_the_timeout() {
    let (listener, uri) = listen().await;
    let connect = Client::builder(uri).dead_after(Duration::from_millis(50)).connect();
    let (client, _socket) =
        tokio::join!(connect, async { accept_async(accept(&listener).await).await.unwrap() });
    assert_eq!(recv(&mut client.unwrap()).await, Received::Closed(CloseReason::Heartbeat));
}
