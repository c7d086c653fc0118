//! Each row of the table of close codes, by a client that breaks one rule (RFC 6455 sections 5, 7
//! and 8).

use std::time::Duration;

use tokio::time::advance;
use ws_core::{
    App, CloseReason,
    error::MessageError,
    testing::{TestApp, TestError},
};

use crate::support::{Probe, Raw, Reports, Seen, Server, config, frame, start, start_with};

async fn probe() -> (Server, Raw, Reports) {
    let (probe, mut reports) = Probe::new();
    let server = start(App::without_registry().controller("/", probe)).await;
    let raw = server.raw("/").await;
    reports.open().await;
    (server, raw, reports)
}

/// Checks that the fault is answered with this code, that the close frame arrives, and that
/// on_close is called once.
async fn check(name: &str, bytes: &[u8], code: u16) {
    let (_server, mut raw, mut reports) = probe().await;
    raw.write(bytes).await;
    assert_eq!(raw.read_frame().await.close().0, code, "{name}");
    assert!(raw.read_to_end().await.is_empty(), "{name}: nothing follows the close frame");
    drop(raw);
    let reason = reports.close().await;
    assert!(matches!(reason, CloseReason::Fault(_)), "{name}: {reason:?}");
    assert_eq!(reason.code(), code, "{name}");
    reports.assert_nothing_more();
}

#[tokio::test]
async fn protocol_faults_close_with_1002() {
    let unmasked = [0x81, 2, b'h', b'i'];
    check("unmasked", &unmasked, 1002).await;
    for (name, first) in [("RSV1", 0xc1), ("RSV2", 0xa1), ("RSV3", 0x91)] {
        check(name, &frame(first, b"x"), 1002).await;
    }
    for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        check(&format!("reserved opcode {opcode}"), &frame(0x80 | opcode, b""), 1002).await;
    }
    check("fragmented ping", &frame(0x09, b""), 1002).await;
    check("ping of 126 bytes", &frame(0x89, &[0; 126]), 1002).await;
    check("continuation of nothing", &frame(0x80, b"x"), 1002).await;
    let text_in_text = [frame(0x01, b"a"), frame(0x81, b"b")].concat();
    check("text inside a fragmented text", &text_in_text, 1002).await;
    check("close of one byte", &frame(0x88, b"x"), 1002).await;
}

#[tokio::test]
async fn close_codes_that_may_not_be_sent_close_with_1002() {
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        check(&format!("close code {code}"), &frame(0x88, &code.to_be_bytes()), 1002).await;
    }
}

#[tokio::test]
async fn invalid_utf8_closes_with_1007() {
    check("text", &frame(0x81, &[0xce, 0xba, 0xed, 0xa0, 0x80]), 1007).await;
    check("cut at the end", &frame(0x81, &[0xe2, 0x82]), 1007).await;
    let fragmented = [frame(0x01, &[0xe2, 0x82]), frame(0x80, b"x")].concat();
    check("over two fragments", &fragmented, 1007).await;
    let reason = [&1000_u16.to_be_bytes()[..], &[0xff, 0xfe]].concat();
    check("close reason", &frame(0x88, &reason), 1007).await;
}

#[tokio::test]
async fn utf8_split_between_fragments_is_whole() {
    let (_server, mut raw, mut reports) = probe().await;
    raw.write(&[frame(0x01, &[0xe2, 0x82]), frame(0x80, &[0xac])].concat()).await;
    let Seen::Message(message) = reports.next().await else { panic!("no message") };
    assert_eq!(message.as_text(), Some("€"));
}

#[tokio::test]
async fn a_message_over_the_limit_closes_with_1009_even_while_it_is_still_being_sent() {
    let mut config = config();
    config.servers[0].limits.message = 64 * 1024;
    let (probe, mut reports) = Probe::new();
    let server = start_with(App::without_registry().controller("/", probe), config).await;

    let mut whole = server.raw("/").await;
    reports.open().await;
    whole.frame(0x82, &vec![0; 4 << 20]).await;
    assert_eq!(whole.read_frame().await.close().0, 1009);
    let reason = reports.close().await;
    assert_eq!(reason, CloseReason::Fault(MessageError::TooBig { size: 4 << 20, limit: 64 * 1024 }));

    let mut fragments = server.raw("/").await;
    reports.open().await;
    for first in [0x02, 0x00, 0x00] {
        fragments.frame(first, &[0; 30 * 1024]).await;
    }
    assert_eq!(fragments.read_frame().await.close().0, 1009);
    assert_eq!(reports.close().await.code(), 1009);

    let mut exact = server.raw("/").await;
    reports.open().await;
    exact.frame(0x82, &[0; 64 * 1024]).await;
    assert!(matches!(reports.next().await, Seen::Message(message) if message.len() == 64 * 1024));
}

#[tokio::test]
async fn a_header_that_announces_gigabytes_is_1009_at_once() {
    let (_server, mut raw, mut reports) = probe().await;
    raw.write(&[0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4]).await;
    assert_eq!(raw.read_frame().await.close().0, 1009);
    assert_eq!(reports.close().await.code(), 1009);
}

#[tokio::test]
async fn the_peers_close_code_is_echoed_and_reported() {
    for (sent, code) in [(Some(1000_u16), 1000), (Some(1001), 1001), (Some(4999), 4999), (None, 1005)] {
        let (_server, mut raw, mut reports) = probe().await;
        let payload = sent.map_or(Vec::new(), |code| [&code.to_be_bytes()[..], b"bye"].concat());
        raw.frame(0x88, &payload).await;
        assert_eq!(raw.read_frame().await.close().0, code);
        assert!(raw.read_to_end().await.is_empty());
        let reason = if sent.is_some() { "bye" } else { "" };
        assert_eq!(reports.close().await, CloseReason::Peer { code: sent, reason: reason.into() });
    }
}

#[tokio::test]
async fn a_peer_that_vanishes_is_1006() {
    let (_server, raw, mut reports) = probe().await;
    drop(raw);
    let reason = reports.close().await;
    assert!(matches!(reason, CloseReason::Gone(_)), "{reason:?}");
    assert_eq!(reason.code(), 1006);

    // Inside a message, by a reset.
    let (_server, mut raw, mut reports) = probe().await;
    raw.write(&frame(0x01, b"half")).await;
    raw.stream.set_zero_linger().unwrap();
    drop(raw);
    assert_eq!(reports.close().await.code(), 1006);
}

#[tokio::test(start_paused = true)]
async fn a_peer_without_a_sign_of_life_after_a_ping_is_dropped_as_heartbeat() {
    let (probe, mut reports) = Probe::new();
    let app = TestApp::start(App::without_registry().controller("/", probe)).await;
    let mut client = app.connect("/").await.unwrap();
    reports.open().await;
    // Answered pings keep the connection open over several timeouts. The client answers while it
    // waits for a message.
    for _ in 0..3 {
        advance(Duration::from_secs(25)).await;
        assert!(matches!(client.next().await, Err(TestError::TimedOut { .. })));
        assert!(matches!(reports.next_unhurried().await, Seen::Pong(_)));
    }
    // Silence ends it: the socket is dropped without a close frame.
    let Seen::Close(reason) = reports.next_unhurried().await else { panic!("no close") };
    assert_eq!((reason.clone(), reason.code()), (CloseReason::Heartbeat, 1006));
}
