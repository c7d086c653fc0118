//! Valid but unusual input of peers.

use ws_core::{App, Message};

use super::{BINARY, Peer, TEXT, echo, noise, per_message, serve, text, window};
use crate::support::{Probe, Reports, Seen, Server, frame};

async fn probe(compression: ws_core::config::Compression) -> (Server, Peer, Reports) {
    let (probe, mut reports) = Probe::new();
    let server = serve(App::without_registry().controller("/", probe), compression).await;
    let peer = Peer::connect(&server).await;
    reports.open().await;
    (server, peer, reports)
}

async fn message(reports: &mut Reports) -> Message {
    match reports.next().await {
        Seen::Message(message) => message,
        other => panic!("not a message: {other:?}"),
    }
}

#[tokio::test]
async fn messages_of_all_sizes_come_back_compressed() {
    for (mut compression, level) in [(per_message(), 1), (per_message(), 9), (window(), 1), (window(), 6)] {
        compression.level = level;
        let server = echo(compression).await;
        let mut peer = Peer::connect(&server).await;
        for (number, length) in
            [100, 125, 126, 5000, 70_000, 1 << 20, 200, 40_000, 90].into_iter().enumerate()
        {
            let message = text(number, length);
            let first = if number % 2 == 0 { TEXT } else { BINARY };
            peer.send(first, &message).await;
            let received = peer.receive().await;
            assert!(received.is_compressed && received.wire.len() < length, "{length}");
            assert_eq!(received.first, first & !0x40);
            assert!(received.bytes == message.as_bytes(), "{length}");
        }
    }
}

#[tokio::test]
async fn the_mark_of_a_compressed_message_survives_pings_and_does_not_reach_the_next_message() {
    for compression in [per_message(), window()] {
        let (_server, mut peer, mut reports) = probe(compression).await;
        for number in 0..5 {
            let compressed = text(number, 2000);
            let payload = peer.deflate(compressed.as_bytes());
            let (start, rest) = payload.split_at(number * 7 + 1);
            peer.raw.frame(0x41, start).await;
            peer.raw.frame(0x89, b"ping").await;
            peer.raw.frame(0x00, &[]).await;
            peer.raw.frame(0x8a, b"pong").await;
            peer.raw.frame(0x80, rest).await;
            // Plain, in one frame and in two, and never decompressed or put into a window.
            peer.raw.frame(0x81, b"plain").await;
            peer.raw.frame(0x02, &[0xf2, 0x48]).await;
            peer.raw.frame(0x89, b"ping").await;
            peer.raw.frame(0x80, &[0xcd, 0xc9, 0xc9, 0x07, 0x00]).await;
            assert!(matches!(reports.next().await, Seen::Ping(_)));
            assert!(matches!(reports.next().await, Seen::Pong(_)));
            assert_eq!(message(&mut reports).await, Message::text(compressed));
            assert_eq!(message(&mut reports).await, Message::text("plain"));
            assert!(matches!(reports.next().await, Seen::Ping(_)));
            let binary = vec![0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
            assert_eq!(message(&mut reports).await, Message::binary(binary));
            for _ in 0..2 {
                assert_eq!(peer.raw.read_frame().await.payload, b"ping");
            }
        }
    }
}

#[tokio::test]
async fn a_compressed_message_may_be_cut_into_any_frames_and_reads() {
    let (_server, mut peer, mut reports) = probe(window()).await;
    for (number, size) in [1, 2, 7, 100, 1000].into_iter().enumerate() {
        let sent = text(number, 3000);
        let payload = peer.deflate(sent.as_bytes());
        let mut parts: Vec<&[u8]> = payload.chunks(size).collect();
        // The last frame may be empty.
        parts.push(&[]);
        for (at, part) in parts.iter().enumerate() {
            let opcode = if at == 0 { 0x41 } else { 0x00 };
            let fin = if at == parts.len() - 1 { 0x80 } else { 0x00 };
            peer.raw.frame(opcode | fin, part).await;
        }
        assert_eq!(message(&mut reports).await, Message::text(sent), "frames of {size}");
    }
    for number in 0..2 {
        let sent = text(number, 300);
        let bytes = frame(TEXT, &peer.deflate(sent.as_bytes()));
        for byte in bytes.chunks(1) {
            peer.raw.write(byte).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(message(&mut reports).await, Message::text(sent));
    }
}

#[tokio::test]
async fn blocks_of_every_kind_are_read() {
    let (_server, mut peer, mut reports) = probe(per_message()).await;
    let last_block = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    for (name, payload, expected) in [
        // From RFC 7692 section 7.2.3.
        ("a fixed block", vec![0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], "Hello"),
        ("a stored block", vec![0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00], "Hello"),
        ("a last block", [&last_block[..], &[0x00]].concat(), "Hello"),
        ("several of them", [&last_block.repeat(3)[..], &[0x00]].concat(), "HelloHelloHello"),
        (
            "two blocks",
            vec![0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
            "Hello",
        ),
        ("an empty block", vec![0x00], ""),
        ("an empty fixed block", vec![0x02, 0x00], ""),
        // zlib writes nothing for an empty message behind another one.
        ("nothing", vec![], ""),
    ] {
        peer.raw.frame(TEXT, &payload).await;
        assert_eq!(message(&mut reports).await, Message::text(expected), "{name}");
        // The same as the last frame, with a flag that belongs to the first.
        peer.raw.frame(0x41, &[]).await;
        peer.raw.frame(0x80, &payload).await;
        assert_eq!(message(&mut reports).await, Message::text(expected), "{name} in two frames");
    }
}

#[tokio::test]
async fn a_last_block_may_be_followed_by_references_to_all_before_it() {
    let (_server, mut peer, mut reports) = probe(window()).await;
    let sent = text(1, 300);
    peer.send(TEXT, &sent).await;
    assert_eq!(message(&mut reports).await, Message::text(sent.clone()));
    // An empty last block, and then the same text once more, as a reference to the message before.
    let again = peer.deflate(sent.as_bytes());
    assert!(again.len() < 40, "{}", again.len());
    let payload = [&[0x03, 0x00], &again[..]].concat();
    peer.raw.frame(TEXT, &payload).await;
    assert_eq!(message(&mut reports).await, Message::text(sent));
}

#[tokio::test]
async fn a_message_that_does_not_become_smaller_is_sent_plain_and_both_windows_stay_the_same() {
    let server = echo(window()).await;
    let mut peer = Peer::connect(&server).await;
    for (number, length) in [1, 50, 300, 5000, 100_000].into_iter().enumerate() {
        let message = text(number, 1000);
        peer.send(TEXT, &message).await;
        assert_eq!(peer.next().await, message.as_bytes());
        // Compressed by the client although it becomes larger, and echoed as it is.
        peer.send(BINARY, noise(length)).await;
        let received = peer.receive().await;
        assert!(!received.is_compressed && received.bytes == noise(length), "{length}");
        peer.raw.frame(0x82, &noise(length)).await;
        let received = peer.receive().await;
        assert!(!received.is_compressed && received.bytes == noise(length), "{length}");
    }
}

#[tokio::test]
async fn a_message_below_the_threshold_is_sent_plain() {
    for mut compression in [per_message(), window()] {
        compression.threshold = Some(300);
        let server = echo(compression).await;
        let mut peer = Peer::connect(&server).await;
        for (length, is_compressed) in
            [(0, false), (1, false), (299, false), (300, true), (301, true), (10, false)]
        {
            let message = text(1, length);
            peer.send(TEXT, &message).await;
            let received = peer.receive().await;
            assert_eq!((received.is_compressed, &received.bytes[..]), (is_compressed, message.as_bytes()));
        }
    }
}
