//! Header names in the spelling of the RFCs, byte by byte, because some devices compare them so.

use http::HeaderValue;
use tokio::net::TcpListener;
use ws_core::{Handshake, Message, Next, Response, client::Client};

use super::*;

/// Adds headers with standard names, with a custom name, and two of one name.
async fn adding(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    let mut response = next.run(handshake).await?;
    for (name, value) in [
        ("x-request-id", "sec-websocket-accept: no"),
        ("set-cookie", "a=b"),
        ("set-cookie", "c=d"),
        ("www-authenticate", "Bearer"),
        ("etag", "\"e-e\""),
        ("x-my-app2", "HTTP/1.1 101 x"),
    ] {
        response.headers_mut().append(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

async fn start() -> Server {
    let route = Route::new("/", Echo).subprotocols(&["v1.x-y"]);
    crate::support::start(App::without_registry().route(route).middleware("ws", 0, adding)).await
}

/// Reads a head unchanged, without the bytes after it. The date is replaced.
async fn head(raw: &mut Raw) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within("head", raw.stream.read_u8()).await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let date = |line: &str| line.to_lowercase().starts_with("date: ").then(|| format!("{}: now", &line[..4]));
    let lines: Vec<String> = head.split("\r\n").map(|line| date(line).unwrap_or(line.to_owned())).collect();
    lines.join("\r\n")
}

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: v1.x-y\r\n\
                      X-Request-Id: sec-websocket-accept: no\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\
                      WWW-Authenticate: Bearer\r\nETag: \"e-e\"\r\nX-My-App2: HTTP/1.1 101 x\r\nDate: now\r\n\r\n";

#[tokio::test]
async fn a_101_has_the_names_of_the_rfcs_and_is_unchanged_otherwise() {
    let server = start().await;
    let request = handshake_with("/", "Sec-WebSocket-Protocol: v1.x-y\r\n");
    let mut raw = Raw::connect(server.addr).await;
    raw.write(&[request.as_bytes(), &frame(0x81, b"at once")].concat()).await;
    assert_eq!(head(&mut raw).await, SWITCH);
    assert_eq!(raw.read_frame().await.payload, b"at once", "the bytes after it are kept");
}

#[tokio::test]
async fn earlier_answers_on_the_stream_are_unchanged() {
    let server = start().await;
    let request = handshake_with("/", "Sec-WebSocket-Protocol: v1.x-y\r\n");
    let mut raw = Raw::connect(server.addr).await;
    raw.write((get("/") + &get("/") + &request).as_bytes()).await;
    for _ in 0..2 {
        let refused = head(&mut raw).await;
        assert!(
            refused.starts_with("HTTP/1.1 426 ") && refused.contains("\r\ncontent-length: "),
            "{refused}"
        );
        let length: usize =
            refused.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        within("body", raw.stream.read_exact(&mut vec![0; length])).await.unwrap();
    }
    assert_eq!(head(&mut raw).await, SWITCH);
}

const FRAME: &str = "sec-websocket-key: frames are unchanged";

#[tokio::test]
async fn a_request_of_the_client_has_the_names_of_the_rfcs() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let client = Client::builder(format!("ws://{addr}/x?a=b"))
        .subprotocols(["v1", "v2"])
        .bearer("t-t")
        .header("origin", "https://example.com")
        .header("X-device-ID", "sec-websocket-key: 7")
        .header("user-agent", "GET / HTTP/1.1");
    let served = async {
        let mut raw = Raw { stream: listener.accept().await.unwrap().0 };
        let head = head(&mut raw).await;
        let key = head.split("Sec-WebSocket-Key: ").nth(1).unwrap().lines().next().unwrap().to_owned();
        assert_eq!(
            head,
            format!(
                "GET /x?a=b HTTP/1.1\r\nHost: {addr}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: v1, v2\r\n\
                 Authorization: Bearer t-t\r\nOrigin: https://example.com\r\n\
                 X-Device-Id: sec-websocket-key: 7\r\nUser-Agent: GET / HTTP/1.1\r\n\r\n"
            )
        );
        let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
        );
        raw.write(answer.as_bytes()).await;
        let mut frame = [0; 6 + FRAME.len()];
        raw.stream.read_exact(&mut frame).await.unwrap();
        let payload: Vec<u8> =
            frame[6..].iter().zip(frame[2..6].iter().cycle()).map(|(a, b)| a ^ b).collect();
        assert_eq!(payload, FRAME.as_bytes());
    };
    let connected = async {
        let mut client = client.connect().await.unwrap();
        client.send(Message::text(FRAME)).await.unwrap();
        client
    };
    let ((), _client) = within("handshake", async { tokio::join!(served, connected) }).await;
}
