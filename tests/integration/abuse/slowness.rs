//! Slow peers, under paused time: each wait has a limit.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use ws_core::testing::TestApp;

use super::*;
use crate::support::frame;

/// A ping after 25 s, and 20 s without an answer.
const HEARTBEAT: Duration = Duration::from_secs(45);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

async fn test_app() -> (TestApp, Endings) {
    let (app, endings) = app();
    (TestApp::start(app).await, endings)
}

impl Endings {
    /// Waits for the next end under paused time, in which every timeout passes at once.
    async fn next_unhurried(&mut self) -> CloseReason {
        self.0.recv().await.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stops_inside_a_frame_is_dropped_by_the_heartbeat() {
    let whole = frame(0x82, &[7; 200]);
    for end in [1, 2, 3, 7, 8, 100] {
        let (app, mut endings) = test_app().await;
        let mut client = app.connect("/").await.unwrap();
        let began = Instant::now();
        client.send_bytes(&whole[..end]).await;
        assert_eq!(endings.next_unhurried().await, CloseReason::Heartbeat, "after {end} octets");
        assert_eq!(began.elapsed().as_secs(), HEARTBEAT.as_secs());
    }
}

/// Each octet is a sign of life. The peer holds the buffer of one frame, and does not delay other
/// peers.
#[tokio::test(start_paused = true)]
async fn a_slow_frame_is_accepted_while_bytes_arrive() {
    let (app, _endings) = test_app().await;
    let mut slow = app.connect("/").await.unwrap();
    let mut other = app.connect("/").await.unwrap();
    for octet in frame(0x82, b"slowly") {
        slow.send_bytes(&[octet]).await;
        tokio::time::advance(Duration::from_secs(15)).await;
        other.send_text("meanwhile").await;
        assert_eq!(other.next_text().await.unwrap(), "meanwhile");
    }
    assert_eq!(slow.next().await.unwrap(), Message::binary(b"slowly".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_its_pongs_is_paused_and_then_dropped_by_the_heartbeat() {
    let (app, mut endings) = test_app().await;
    let mut client = app.connect("/").await.unwrap();
    let began = Instant::now();
    let pings = frame(0x89, &[7; 125]).repeat(100);
    let mut written = 0;
    while timeout(Duration::from_secs(1), client.send_bytes(&pings)).await.is_ok() {
        written += pings.len();
        assert!(written < 1 << 20, "it reads without a limit");
    }
    assert_eq!(endings.next_unhurried().await, CloseReason::Heartbeat);
    // The ping waits after the 64 KiB in the pipe, and gets one more second for each 32 KiB of
    // them.
    assert_eq!(began.elapsed().as_secs(), HEARTBEAT.as_secs() + 2);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_silent_after_our_close_frame_is_dropped_at_the_close_deadline() {
    for the_server_closes in [false, true] {
        let (app, mut endings) = app();
        let hub = app.hub();
        let app = TestApp::start(app).await;
        let mut client = app.connect("/").await.unwrap();
        client.send_text("hello").await;
        assert_eq!(client.next_text().await.unwrap(), "hello");
        let began = Instant::now();
        if the_server_closes {
            hub.all().disconnect(4000, "go").unwrap();
        } else {
            client.send_frame(0x88, &4000_u16.to_be_bytes()).await;
        }
        assert_eq!(endings.next_unhurried().await.code(), 4000);
        assert!(began.elapsed() < Duration::from_secs(1), "on_close does not wait for the peer");
        // The socket does, unless both close frames have passed.
        let report = app.shutdown().await;
        assert_eq!(report.cut, 0);
        let elapsed = began.elapsed();
        if the_server_closes {
            assert!(elapsed >= CLOSE_TIMEOUT && elapsed < CLOSE_TIMEOUT * 2, "{elapsed:?}");
        } else {
            assert!(elapsed < Duration::from_secs(1), "{elapsed:?}");
        }
        drop(client);
    }
}

#[tokio::test(start_paused = true)]
async fn a_trickle_after_our_close_frame_does_not_move_the_close_deadline() {
    let (app, mut endings) = app();
    let hub = app.hub();
    let app = TestApp::start(app).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_text("hello").await;
    assert_eq!(client.next_text().await.unwrap(), "hello");
    let began = Instant::now();
    hub.all().disconnect(4000, "go").unwrap();
    assert_eq!(endings.next_unhurried().await.code(), 4000);
    let stopping = tokio::spawn(app.shutdown());
    while !stopping.is_finished() {
        client.send_frame(0x89, b"still here").await;
        tokio::time::advance(Duration::from_millis(500)).await;
        tokio::task::yield_now().await;
        assert!(began.elapsed() < CLOSE_TIMEOUT * 2);
    }
    assert!(began.elapsed() >= CLOSE_TIMEOUT);
}
