//! Limits that count messages, whatever they are on the wire.

use ws_core::{App, Route};

use super::{BINARY, Peer, TEXT, config_with, serve, text, window};
use crate::support::{Echo, Probe, Seen, frame, start_with};

#[tokio::test]
async fn the_limit_of_a_route_counts_decompressed_bytes() {
    let route = |path, message| Route::new(path, Echo).limits(move |limits| limits.message = message);
    let app = App::without_registry().route(route("/small", 1000)).route(route("/large", 3 << 20));
    let server = serve(app, window()).await;
    for (path, most) in [("/small", 1000), ("/large", 3 << 20)] {
        let mut peer = Peer::connect_to(&server, path, super::OFFER).await;
        peer.send(BINARY, vec![7; most]).await;
        assert_eq!(peer.next().await, vec![7; most]);
        peer.send(BINARY, vec![7; most + 1]).await;
        assert_eq!(peer.raw.read_frame().await.close(), (1009, "message too big".into()), "{path}");
    }
}

#[tokio::test]
async fn a_rate_counts_messages_and_not_their_frames_or_bytes() {
    let mut config = config_with(window());
    let limits = &mut config.servers[0].limits;
    (limits.messages_per_second, limits.message_burst) = (Some(1), Some(3));
    let (probe, mut reports) = Probe::new();
    let server = start_with(App::without_registry().controller("/", probe), config).await;
    let mut peer = Peer::connect(&server).await;
    reports.open().await;
    let mut bytes = Vec::new();
    for number in 0..100 {
        let payload = peer.deflate(text(number, 300).as_bytes());
        let (start, rest) = payload.split_at(5);
        bytes.extend(frame(TEXT & 0x7f, start));
        bytes.extend(frame(0x00, &[]));
        bytes.extend(frame(0x80, rest));
    }
    peer.raw.write(&bytes).await;
    assert_eq!(peer.raw.read_frame().await.close().0, 1008);
    let mut messages = 0;
    while let Seen::Message(_) = reports.next().await {
        messages += 1;
    }
    // One more for each second that this takes.
    assert!((3..50).contains(&messages), "{messages}");
}
