//! The compression in the 101, and its use on the connection.

use http::HeaderValue;
use ws_core::{App, Handshake, Next, Response, Result, Route, config::Compression};

use super::{OFFER, Peer, config_with, echo, offer, per_message, serve, text, window};
use crate::support::{Echo, Raw, Server, handshake_with, start_with, until};

const BY_MESSAGE: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// A message comes back uncompressed, and a compressed one is a fault.
async fn is_uncompressed(mut raw: Raw) {
    let message = text(1, 5000);
    raw.frame(0x81, message.as_bytes()).await;
    let frame = raw.read_frame().await;
    assert_eq!((frame.first, frame.payload), (0x81, message.into_bytes()));
    raw.frame(0xc1, &[0x00]).await;
    assert_eq!(raw.read_frame().await.close().0, 1002);
}

async fn is_compressed(mut peer: Peer) {
    for number in 0..5 {
        let message = text(number, 3000);
        peer.send(super::TEXT, &message).await;
        assert_eq!(peer.next().await, message.as_bytes());
    }
}

#[tokio::test]
async fn each_mode_has_its_answer_to_the_offer_of_a_browser() {
    let largest = {
        let mut largest = window();
        largest.window = 32 << 10;
        largest
    };
    for (compression, expected) in [
        (Compression::default(), None),
        (per_message(), Some(BY_MESSAGE)),
        (window(), Some("permessage-deflate; server_max_window_bits=12; client_max_window_bits=12")),
        (largest, Some("permessage-deflate; client_max_window_bits=15")),
    ] {
        let server = echo(compression).await;
        let (raw, chosen) = offer(&server, "/", OFFER).await;
        assert_eq!(chosen.as_deref(), expected);
        match chosen {
            None => is_uncompressed(raw).await,
            Some(chosen) => is_compressed(Peer::new(raw, &chosen)).await,
        }
        // A request without an offer gets no answer to it.
        is_uncompressed(server.raw("/").await).await;
    }
}

#[tokio::test]
async fn the_first_acceptable_offer_is_answered_and_others_leave_the_connection_uncompressed() {
    let server = echo(window()).await;
    let bits_11 = "permessage-deflate; client_no_context_takeover; server_max_window_bits=11";
    for (lines, expected) in [
        (vec!["permessage-deflate; server_max_window_bits=11"], Some(bits_11)),
        (vec!["permessage-deflate; server_max_window_bits=\"11\""], Some(bits_11)),
        // Fallbacks, in one line and in several.
        (vec!["permessage-deflate; unknown, permessage-deflate; server_max_window_bits=11"], Some(bits_11)),
        (
            vec![
                "x-webkit-deflate-frame",
                "permessage-deflate; server_max_window_bits=8,",
                "permessage-deflate; server_max_window_bits=11",
            ],
            Some(bits_11),
        ),
        (vec!["permessage-deflate; server_max_window_bits=8"], None),
        (vec!["permessage-deflate; server_max_window_bits=16"], None),
        (vec!["permessage-deflate; server_max_window_bits"], None),
        (vec!["permessage-deflate; server_no_context_takeover=1"], None),
        (vec!["permessage-deflate; client_max_window_bits; client_max_window_bits=10"], None),
        (vec!["permessage-bzip2"], None),
        (vec!["permessage-deflate;"], None),
        (vec![""], None),
    ] {
        let lines: String = lines.iter().map(|it| format!("Sec-WebSocket-Extensions: {it}\r\n")).collect();
        let mut raw = Raw::connect(server.addr).await;
        let answer = raw.request(&handshake_with("/", &lines)).await;
        assert_eq!((answer.status, answer.header("sec-websocket-extensions")), (101, expected), "{lines}");
        match expected {
            None => is_uncompressed(raw).await,
            Some(chosen) => is_compressed(Peer::new(raw, chosen)).await,
        }
    }
}

#[tokio::test]
async fn every_window_that_a_client_asks_for_is_kept_to() {
    let mut compression = window();
    compression.window = 32 << 10;
    let server = echo(compression).await;
    for bits in 9..=15 {
        for (offered, takes_over) in [
            (
                format!("permessage-deflate; server_max_window_bits={bits}; client_max_window_bits={bits}"),
                true,
            ),
            (
                format!(
                    "permessage-deflate; server_max_window_bits={bits}; server_no_context_takeover; \
                     client_no_context_takeover"
                ),
                false,
            ),
        ] {
            let peer = Peer::connect_to(&server, "/", &offered).await;
            assert_eq!((peer.takes_over, peer.inflater.takes_over), (takes_over, takes_over));
            is_compressed(peer).await;
        }
    }
}

#[tokio::test]
async fn a_browser_that_sends_broken_messages_stays_uncompressed() {
    let server = echo(per_message()).await;
    for (version, is_compressed) in [("15.1", false), ("15.4", true)] {
        let lines = format!(
            "Sec-WebSocket-Extensions: {OFFER}\r\nUser-Agent: Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 \
             Version/{version} Safari/605.1.15\r\n"
        );
        let answer = server.answer(&handshake_with("/", &lines)).await;
        assert_eq!(answer.header("sec-websocket-extensions").is_some(), is_compressed, "{version}");
    }
}

#[tokio::test]
async fn without_its_header_in_the_101_nothing_is_compressed() {
    async fn removed(handshake: Handshake, next: Next<'_>) -> Result<Response> {
        let mut response = next.run(handshake).await?;
        response.headers_mut().remove("sec-websocket-extensions");
        Ok(response)
    }
    async fn replaced(handshake: Handshake, next: Next<'_>) -> Result<Response> {
        let mut response = next.run(handshake).await?;
        let other = HeaderValue::from_static("permessage-deflate");
        response.headers_mut().insert("sec-websocket-extensions", other);
        Ok(response)
    }
    async fn doubled(handshake: Handshake, next: Next<'_>) -> Result<Response> {
        let mut response = next.run(handshake).await?;
        response.headers_mut().append("sec-websocket-extensions", HeaderValue::from_static("x-other"));
        Ok(response)
    }
    let app = App::without_registry()
        .route(Route::new("/removed", Echo).middleware(removed))
        .route(Route::new("/replaced", Echo).middleware(replaced))
        .route(Route::new("/doubled", Echo).middleware(doubled));
    let server = serve(app, window()).await;
    for path in ["/removed", "/replaced", "/doubled"] {
        let (raw, _) = offer(&server, path, OFFER).await;
        is_uncompressed(raw).await;
    }
}

async fn is_with_windows(server: &Server) -> (Raw, bool) {
    let (raw, chosen) = offer(server, "/", OFFER).await;
    let chosen = chosen.unwrap();
    assert!(chosen == BY_MESSAGE || chosen.contains("client_max_window_bits=12"), "{chosen}");
    (raw, chosen != BY_MESSAGE)
}

#[tokio::test]
async fn windows_beyond_the_memory_are_not_negotiated_and_memory_comes_back() {
    let mut config = config_with(window());
    // Two windows of 4 KiB for each of two connections.
    config.compression.memory = 20 << 10;
    let server = start_with(App::without_registry().controller("/", Echo), config).await;
    let (first, second) = (is_with_windows(&server).await, is_with_windows(&server).await);
    assert!(first.1 && second.1);
    let (raw, has_windows) = is_with_windows(&server).await;
    assert!(!has_windows);
    is_compressed(Peer::new(raw, BY_MESSAGE)).await;
    drop(first);
    let connections = || server.running.stats().servers[0].routes[0].connections;
    until("the first connection and the third have ended", || connections() == 1).await;
    assert!(is_with_windows(&server).await.1);
}

#[tokio::test]
async fn messages_are_compressed_inside_another_server_too() {
    let app = App::without_registry().controller("/", Echo).config(config_with(window()));
    let (service, running) = app.into_service("ws").await.unwrap();
    let router = axum::Router::new().fallback_service(service);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let server = Server { running, addr };
    is_compressed(Peer::connect(&server).await).await;
    serving.abort();
}
