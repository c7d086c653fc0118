//! Every way in which a peer ends: after half of the close, without a close frame, by a reset, and
//! with bytes after its close frame.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{io::AsyncWriteExt as _, sync::Notify};
use ws_core::config::Overflow;

use super::*;
use crate::support::{Probe, Raw, RawFrame, config, frame, start_with};

#[tokio::test]
async fn a_half_closed_peer_gets_all_that_was_pushed_before() {
    let (server, mut endings) = echo().await;
    let cases: [(&str, Vec<Vec<u8>>); 4] = [
        ("nothing", vec![]),
        ("three in one piece", vec![b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]),
        ("a large one", vec![vec![7; 1 << 20]]),
        ("many empty frames", vec![vec![]; 1000]),
    ];
    for (case, messages) in cases {
        let mut raw = server.raw("/").await;
        raw.write(&messages.iter().flat_map(|message| frame(0x82, message)).collect::<Vec<u8>>()).await;
        raw.stream.shutdown().await.unwrap();
        for message in messages {
            assert!(raw.read_frame().await == RawFrame { first: 0x82, payload: message }, "{case}");
        }
        assert!(raw.read_to_end().await.is_empty(), "{case}: there was no close frame to answer");
        endings.assert_next(case, "Gone", 1006).await;
    }
}

#[tokio::test]
async fn a_peer_that_ends_without_a_close_frame_is_1006_once_at_every_position() {
    let (server, mut endings) = echo().await;
    let cases: [(&str, Vec<u8>); 5] = [
        ("between two messages", frame(0x81, b"whole")),
        ("in a header", vec![0x81]),
        ("in a long header", vec![0x82, 0xff, 0, 0, 0]),
        ("in a payload", frame(0x81, b"not quite whole")[..12].to_vec()),
        ("between two fragments", frame(0x01, b"first")),
    ];
    for (case, bytes) in cases {
        for by_reset in [false, true] {
            let mut raw = server.raw("/").await;
            raw.write(&bytes).await;
            if by_reset {
                raw.stream.set_zero_linger().unwrap();
            }
            drop(raw);
            endings.assert_next(case, "Gone", 1006).await;
        }
    }
}

#[tokio::test]
async fn a_reset_with_answers_still_unsent_is_1006_once() {
    let (server, mut endings) = echo().await;
    let mut raw = server.raw("/").await;
    // None of the echoes is read. The first one has begun to arrive.
    for _ in 0..4 {
        raw.frame(0x82, &[7; 100_000]).await;
    }
    within("an echo", raw.stream.readable()).await.unwrap();
    raw.stream.set_zero_linger().unwrap();
    drop(raw);
    endings.assert_next("reset", "Gone", 1006).await;
}

#[tokio::test]
async fn bytes_after_the_peers_close_frame_are_discarded_up_to_a_limit() {
    let (server, mut endings) = echo().await;
    let mut raw = server.raw("/").await;
    raw.frame(0x88, &1000_u16.to_be_bytes()).await;
    endings.assert_next("close frame", "Peer", 1000).await;
    assert_eq!(raw.read_frame().await.close().0, 1000);
    // Both close frames have passed, so further bytes meet a closed socket.
    let message = frame(0x82, &vec![7; 1 << 20]);
    let mut written = 0;
    while within("a write", raw.stream.write_all(&message)).await.is_ok() {
        written += message.len();
        assert!(written < 64 << 20, "it continues to read");
    }
}

#[tokio::test]
async fn bytes_after_the_servers_close_frame_are_discarded_up_to_a_limit() {
    let (server, mut endings) = echo().await;
    let mut raw = server.raw("/").await;
    server.running.hub().all().disconnect(4000, "").unwrap();
    endings.assert_next("disconnect", "Local", 4000).await;
    assert_eq!(raw.read_frame().await.close().0, 4000);
    // The number of discarded bytes is limited. Further bytes meet a closed socket.
    let message = frame(0x82, &vec![7; 1 << 20]);
    let mut written = 0;
    while within("a write", raw.stream.write_all(&message)).await.is_ok() {
        written += message.len();
        assert!(written < 128 << 20, "it reads without a limit");
    }
    assert!(written > 32 << 20, "cut after {written}: more was discarded than the limit");
}

/// Fills its client's outbox and all buffers after it, reports so, then ends the connection. It
/// counts the accepted messages.
struct Babbler {
    pushed: Arc<AtomicUsize>,
    full: Arc<Notify>,
}

impl Controller for Babbler {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        while conn.push(vec![7; 10_000]).is_ok() {
            self.pushed.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
        self.full.notify_one();
        match message.as_text() {
            Some("disconnect") => Ok(conn.disconnect(4000, "")?),
            Some("fail") => Err("on purpose".into()),
            _ => panic!("on purpose"),
        }
    }
}

#[tokio::test]
async fn pushed_messages_precede_the_close_frame_and_nothing_follows_it() {
    let mut config = config();
    config.servers[0].limits.overflow = Overflow::DropNewest;
    let pushed = Arc::new(AtomicUsize::new(0));
    let full = Arc::new(Notify::new());
    let babbler = Babbler { pushed: Arc::clone(&pushed), full: Arc::clone(&full) };
    let server = start_with(App::without_registry().controller("/", babbler), config).await;
    for (text, code) in [("disconnect", 4000), ("fail", 1011), ("panic", 1011)] {
        let mut raw = server.raw("/").await;
        raw.frame(0x81, text.as_bytes()).await;
        within("full", full.notified()).await;
        let mut read = 0;
        let close = loop {
            let frame = raw.read_frame().await;
            if frame.first != 0x82 {
                break frame.close();
            }
            read += 1;
        };
        assert_eq!((close.0, read), (code, pushed.swap(0, Ordering::Relaxed)), "{text}");
        raw.frame(0x88, &code.to_be_bytes()).await;
        let more = raw.read_to_end().await;
        assert!(more.is_empty(), "{text}: {} bytes after the close frame", more.len());
    }
}

#[tokio::test]
async fn an_open_connection_that_is_pushed_to_ends_with_its_peer() {
    let (probe, mut reports) = Probe::new();
    let server = start(App::without_registry().controller("/", probe)).await;
    let mut raw: Raw = server.raw("/").await;
    let conn = reports.open().await;
    raw.stream.shutdown().await.unwrap();
    assert_eq!(reports.close().await.code(), 1006);
    assert!(conn.push("too late").is_err());
    assert!(raw.read_to_end().await.is_empty());
    reports.assert_nothing_more();
}
