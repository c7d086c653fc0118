//! What the server sends over a compressed connection: in order, whole, and with the same limits.

use std::time::Duration;

use ws_core::{
    App, Message,
    config::{Compression, Overflow},
    error::SendError,
};

use super::{Peer, TEXT, config_with, noise, per_message, serve, text, window};
use crate::support::{Echo, Probe, Seen, Server, start_with, within};

/// A connection of a [`Probe`], and its client.
async fn open(server: Server, reports: &mut crate::support::Reports) -> (Server, Peer, ws_core::Connection) {
    let peer = Peer::connect(&server).await;
    let conn = reports.open().await;
    (server, peer, conn)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_push_to_one_connection_and_each_message_is_whole() {
    let (probe, mut reports) = Probe::new();
    let server = serve(App::without_registry().controller("/", probe), window()).await;
    let (_server, mut peer, conn) = open(server, &mut reports).await;
    const TASKS: usize = 8;
    const MESSAGES: usize = 60;
    let message = |task: usize, number: usize| {
        let length = [20, 300, 5000, 100_000][(task + number) % 4];
        format!("{task} {number} {}", if number % 7 == 3 { "x".into() } else { text(number, length) })
    };
    for task in 0..TASKS {
        let conn = conn.clone();
        tokio::spawn(async move {
            for number in 0..MESSAGES {
                conn.send(message(task, number)).await.unwrap();
            }
        });
    }
    let mut next = [0; TASKS];
    for _ in 0..TASKS * MESSAGES {
        let received = peer.receive().await;
        let received = String::from_utf8(received.bytes).unwrap();
        let task: usize = received.split(' ').next().unwrap().parse().unwrap();
        assert!(received == message(task, next[task]), "message {} of task {task}", next[task]);
        next[task] += 1;
    }
}

/// Pushes more than the outbox takes. Checks that whole messages were dropped, and nothing else.
async fn check_drops(compression: Compression, is_shared: bool) {
    let mut config = config_with(compression);
    let limits = &mut config.servers[0].limits;
    (limits.outbox_messages, limits.overflow) = (8, Overflow::DropOldest);
    let (probe, mut reports) = Probe::new();
    let server = start_with(App::without_registry().controller("/", probe), config).await;
    let (server, mut peer, conn) = open(server, &mut reports).await;
    conn.join("all").unwrap();
    const PUSHED: usize = 1000;
    let message = |number: usize| format!("{number} {}", text(number, 300));
    for number in 0..PUSHED {
        if is_shared {
            assert_eq!(conn.room("all").push(message(number)).sent, 1);
        } else {
            conn.push(message(number)).unwrap();
        }
        if number % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let mut last = None;
    let mut count = 0;
    while last != Some(PUSHED - 1) {
        let received = String::from_utf8(peer.next().await).unwrap();
        let number: usize = received.split(' ').next().unwrap().parse().unwrap();
        assert!(received == message(number) && last < Some(number), "{number} behind {last:?}");
        last = Some(number);
        count += 1;
    }
    let dropped = server.running.stats().servers[0].routes[0].outbox_full as usize;
    assert!(dropped >= PUSHED / 2 && dropped + count == PUSHED, "{dropped} dropped, {count} received");
}

#[tokio::test]
async fn a_dropped_message_was_never_in_the_window() {
    check_drops(window(), false).await;
    check_drops(window(), true).await;
}

#[tokio::test]
async fn a_message_that_was_compressed_for_many_is_dropped_as_a_whole() {
    check_drops(per_message(), true).await;
}

#[tokio::test]
async fn a_peer_that_reads_slowly_gets_all_that_was_sent() {
    let (probe, mut reports) = Probe::new();
    let server = serve(App::without_registry().controller("/", probe), window()).await;
    let (_server, mut peer, conn) = open(server, &mut reports).await;
    // More than the buffers of the system take: half of each message does not become smaller.
    let message = |number: usize| [text(number, 100_000).into_bytes(), noise(100_000)].concat();
    const MESSAGES: usize = 100;
    let sending = tokio::spawn(async move {
        for number in 0..MESSAGES {
            conn.send(message(number)).await.unwrap();
        }
    });
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(!sending.is_finished(), "it waits for the peer");
    for number in 0..MESSAGES {
        assert!(peer.next().await == message(number), "{number}");
    }
    sending.await.unwrap();
}

#[tokio::test]
async fn the_outbox_counts_messages_as_they_were_pushed() {
    let mut config = config_with(per_message());
    let limits = &mut config.servers[0].limits;
    (limits.outbox_bytes, limits.overflow) = (10_000, Overflow::DropNewest);
    let (probe, mut reports) = Probe::new();
    let server = start_with(App::without_registry().controller("/", probe), config).await;
    let (_server, mut peer, conn) = open(server, &mut reports).await;
    let message = text(1, 4000);
    // Nothing else runs meanwhile.
    let pushed = [(); 4].map(|()| conn.push(message.clone()).is_ok());
    assert_eq!(pushed, [true, true, false, false]);
    assert!(matches!(conn.push(message.clone()), Err(SendError::Full { .. })));
    for _ in 0..2 {
        assert_eq!(peer.next().await, message.as_bytes());
    }
    // A message to many is compressed first, and counts as it is sent.
    conn.join("all").unwrap();
    for _ in 0..10 {
        assert_eq!(conn.room("all").push(message.clone()).sent, 1);
    }
    for _ in 0..10 {
        assert_eq!(peer.next().await, message.as_bytes());
    }
}

#[tokio::test]
async fn a_close_frame_comes_behind_the_messages_before_it() {
    for compression in [per_message(), window()] {
        let (probe, mut reports) = Probe::new();
        let server = serve(App::without_registry().controller("/", probe), compression.clone()).await;
        let (server, mut peer, conn) = open(server, &mut reports).await;
        let messages: Vec<String> = (0..5).map(|number| text(number, 300_000 >> number)).collect();
        for message in &messages {
            conn.push(message.clone()).unwrap();
        }
        conn.disconnect(4000, "enough").unwrap();
        for message in &messages {
            assert!(peer.next().await == message.as_bytes());
        }
        assert_eq!(peer.raw.read_frame().await.close(), (4000, "enough".into()));

        // The same for a drain.
        let mut peer = Peer::connect(&server).await;
        while !matches!(reports.next().await, Seen::Open(conn) if {
            messages.iter().for_each(|message| conn.push(message.clone()).unwrap());
            true
        }) {}
        let draining = tokio::spawn(server.running.shutdown());
        for message in &messages {
            assert!(peer.next().await == message.as_bytes());
        }
        assert_eq!(peer.raw.read_frame().await.close().0, 1001);
        peer.raw.frame(0x88, &1001_u16.to_be_bytes()).await;
        assert!(peer.raw.read_to_end().await.is_empty());
        within("the drain", draining).await.unwrap();
    }
}

#[tokio::test]
async fn the_close_frame_of_a_peer_is_answered_behind_the_replies() {
    let server = super::echo(window()).await;
    let mut peer = Peer::connect(&server).await;
    let messages: Vec<String> = (0..4).map(|number| text(number, 200_000)).collect();
    for message in &messages {
        peer.send(TEXT, message).await;
    }
    peer.raw.frame(0x88, &1000_u16.to_be_bytes()).await;
    for message in &messages {
        assert!(peer.next().await == message.as_bytes());
    }
    assert_eq!(peer.raw.read_frame().await.close().0, 1000);
    assert!(peer.raw.read_to_end().await.is_empty());
}

#[tokio::test]
async fn pings_of_both_sides_are_answered_around_messages_of_4_mib() {
    let mut config = config_with(per_message());
    config.servers[0].limits.message = 8 << 20;
    config.servers[0].limits.outbox_bytes = 32 << 20;
    config.servers[0].heartbeat.interval = Some(Duration::from_millis(20));
    let server = start_with(App::without_registry().controller("/", Echo), config).await;
    let mut peer = Peer::connect(&server).await;
    let (mut other, _) = super::offer(&server, "/", super::OFFER).await;
    let large = text(1, 4 << 20);
    let (mut messages, mut pongs, mut pings) = (0, 0, 0);
    for round in 0..3_u8 {
        peer.send(TEXT, &large).await;
        peer.raw.frame(0x89, &[round]).await;
        other.frame(0x81, b"small").await;
    }
    while (messages, pongs) != (3, 3) || pings == 0 {
        let received = peer.receive().await;
        match received.first {
            0x81 => {
                assert!(received.is_compressed && received.bytes == large.as_bytes());
                messages += 1;
            }
            0x8a => {
                assert_eq!(received.bytes, [pongs]);
                pongs += 1;
            }
            0x89 => {
                peer.raw.frame(0x8a, &received.bytes).await;
                pings += 1;
            }
            _ => panic!("{:x}", received.first),
        }
    }
    let mut small = 0;
    while small < 3 {
        let frame = other.read_frame().await;
        match frame.first {
            0x81 => small += 1,
            ping => assert_eq!(ping, 0x89),
        }
    }
}

#[tokio::test]
async fn a_message_is_one_frame_however_large_it_is() {
    let (probe, mut reports) = Probe::new();
    let server = serve(App::without_registry().controller("/", probe), window()).await;
    let (_server, mut peer, conn) = open(server, &mut reports).await;
    for length in [65_535, 65_536, 65_537, 131_072, 1_000_000] {
        let message = text(length, length);
        conn.send(Message::binary(message.clone().into_bytes())).await.unwrap();
        let received = peer.receive().await;
        assert_eq!((received.first, received.is_compressed), (0x82, true));
        assert!(received.bytes == message.as_bytes());
    }
}
