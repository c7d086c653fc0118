//! The counters of compressed messages.

use serde_json::json;
use ws_core::{App, Route, config::CompressionMode, testing::TestApp};

use super::{BINARY, Peer, TEXT, noise, serve, text, window};
use crate::support::{Echo, Probe, until};

#[tokio::test]
async fn the_bytes_before_and_after_compression_are_counted_by_direction() {
    let server = serve(App::without_registry().controller("/", Echo), window()).await;
    let mut peer = Peer::connect(&server).await;
    let (mut before, mut received, mut sent) = (0, 0, 0);
    for (number, length) in [300, 5000, 90, 300_000].into_iter().enumerate() {
        let payload = peer.deflate(text(number, length).as_bytes());
        peer.raw.frame(if number == 1 { BINARY } else { TEXT }, &payload).await;
        let echoed = peer.receive().await;
        assert!(echoed.is_compressed);
        before += length;
        (received, sent) = (received + payload.len(), sent + echoed.wire.len());
    }
    // Not compressed, so counted as messages only.
    peer.raw.frame(0x82, &noise(700)).await;
    assert!(!peer.receive().await.is_compressed);
    let route = || server.running.stats().servers[0].routes[0].clone();
    let counted = || {
        let route = route();
        [route.received_compression, route.sent_compression].map(|it| [it.before as usize, it.after as usize])
    };
    until("all is counted", || counted() == [[before, received], [before, sent]]).await;
    until("all is counted", || {
        let route = route();
        [&route.received, &route.sent].map(|it| (it.messages(), it.bytes())) == [(5, before as u64 + 700); 2]
    })
    .await;
    let json = serde_json::to_value(route()).unwrap();
    assert_eq!(json["received_compression"], json!({"before": before, "after": received}));
}

#[tokio::test]
async fn what_a_connection_counted_last_is_not_lost_with_it() {
    let (probe, mut reports) = Probe::new();
    let server = serve(App::without_registry().controller("/", probe), window()).await;
    let mut peer = Peer::connect(&server).await;
    let conn = reports.open().await;
    conn.push(text(1, 5000)).unwrap();
    conn.disconnect(4000, "").unwrap();
    assert_eq!(peer.next().await.len(), 5000);
    peer.raw.read_frame().await.close();
    peer.raw.frame(0x88, &4000_u16.to_be_bytes()).await;
    reports.close().await;
    let sent = || server.running.stats().servers[0].routes[0].sent_compression.before;
    until("the last message is counted", || sent() == 5000).await;
}

#[tokio::test]
async fn the_page_of_metrics_has_them() {
    let route = Route::new("/metered-and-compressed", Echo)
        .compression(|it| (it.mode, it.threshold) = (CompressionMode::PerMessage, Some(1)));
    let app = TestApp::start(App::without_registry().route(route).ops("ops")).await;
    let offer = ("sec-websocket-extensions", super::OFFER);
    let mut client = app.connect("/metered-and-compressed").header(offer.0, offer.1).await.unwrap();
    // "Hello" in a stored block, which is longer than the message and is not compressed again.
    client.send_frame(TEXT, &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]).await;
    assert_eq!(client.next_text().await.unwrap(), "Hello");
    let response = app.http("ops").get("/metrics").send().await.unwrap();
    let text = response.text();
    let value = |direction: &str, stage: &str| {
        let parts = [
            "ws_compression_bytes_total{",
            "route=\"/metered-and-compressed\"",
            "server=\"ws\"",
            &format!("direction=\"{direction}\""),
            &format!("stage=\"{stage}\""),
        ];
        let line = text.lines().find(|line| parts.iter().all(|part| line.contains(part)));
        line.unwrap_or_else(|| panic!("{parts:?} in {text}")).rsplit_once(' ').unwrap().1.to_owned()
    };
    assert_eq!([value("in", "before"), value("in", "after")], ["5", "11"]);
    assert_eq!([value("out", "before"), value("out", "after")], ["0", "0"]);
}
