//! Compressed messages that are not valid: the close code, and what the controller is told.

use flate2::{Compress, Compression as Level, FlushCompress};
use ws_core::{App, CloseReason, Message, error::MessageError};

use super::{BINARY, Peer, TEXT, config_with, everything, noise, text};
use crate::support::{Probe, Seen, frame, start_with};

const PROTOCOL: (u16, &str) = (1002, "protocol error");
const DATA: (u16, &str) = (1007, "invalid compressed data");
const UTF8: (u16, &str) = (1007, "invalid UTF-8");
const TOO_BIG: (u16, &str) = (1009, "message too big");
const FRAGMENTS: (u16, &str) = (1009, "too many fragments");

/// The limit of a message and of a frame in these tests, in bytes, and of frames.
const MESSAGE: usize = 64 << 10;
const FRAME: usize = 32 << 10;
const FRAMES: usize = 4;

/// "Hello" in a last block.
const LAST_BLOCK: [u8; 7] = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

/// Sends a good message and then these frames.
async fn check(name: &str, frames: impl Fn(&mut Peer) -> Vec<(u8, Vec<u8>)>, expected: (u16, &str)) {
    for mode in ["per_message", "window"] {
        let mode = if mode == "window" { super::window().mode } else { super::per_message().mode };
        let mut config = config_with(everything(mode));
        let limits = &mut config.servers[0].limits;
        (limits.message, limits.frame, limits.fragments) = (MESSAGE, Some(FRAME), FRAMES);
        let (probe, mut reports) = Probe::new();
        let server = start_with(App::without_registry().controller("/", probe), config).await;
        let mut peer = Peer::connect(&server).await;
        reports.open().await;
        let good = text(1, 5000);
        let payload = peer.deflate(good.as_bytes());
        let mut bytes = frame(TEXT, &payload);
        for (first, payload) in frames(&mut peer) {
            bytes.extend(frame(first, &payload));
        }
        // A message behind the fault is not looked at.
        bytes.extend(frame(0x81, b"behind"));
        peer.raw.write(&bytes).await;
        let (code, reason) = loop {
            let frame = peer.raw.read_frame().await;
            // The answer to a ping before the fault.
            if frame.first != 0x8a {
                break frame.close();
            }
        };
        assert_eq!((code, &*reason), expected, "{name} in {mode:?}");
        loop {
            match reports.next().await {
                Seen::Message(message) => assert_eq!(message, Message::text(good.clone()), "{name}"),
                Seen::Ping(_) => {}
                Seen::Close(CloseReason::Fault(fault)) => {
                    assert_eq!(fault.close_code(), code, "{name}");
                    assert_eq!(fault == MessageError::Compression, expected == DATA, "{name}: {fault}");
                    break;
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        reports.assert_nothing_more();
    }
}

#[tokio::test]
async fn rsv1_belongs_to_the_first_frame_of_a_message_only() {
    for first in [0xc8, 0xc9, 0xca] {
        check("on a control frame", |_| vec![(first, Vec::new())], PROTOCOL).await;
        check("inside a message", |_| vec![(0x41, vec![0x00]), (first, Vec::new())], PROTOCOL).await;
    }
    for first in [0x40, 0xc0] {
        check("on a continuation", |_| vec![(0x41, vec![0xf2]), (first, vec![0x48])], PROTOCOL).await;
        check("on one of a plain message", |_| vec![(0x01, b"a".to_vec()), (first, vec![0x48])], PROTOCOL)
            .await;
    }
    for first in [0xa1, 0x91, 0xe1, 0xd2, 0xf2] {
        check("another bit", |_| vec![(first, vec![0x00])], PROTOCOL).await;
    }
    check("inside another message", |_| vec![(0x41, vec![0xf2]), (TEXT, vec![0x00])], PROTOCOL).await;
    check("an unknown opcode", |_| vec![(0xc3, vec![0x00])], PROTOCOL).await;
}

/// A message that refers to the 30 000 bytes before it.
fn beyond_the_window() -> Vec<u8> {
    let before = noise(30_000);
    let mut compressor = Compress::new_with_window_bits(Level::new(6), false, 15);
    compressor.set_dictionary(&before).unwrap();
    let mut out = Vec::with_capacity(1000);
    compressor.compress_vec(&before[..200], &mut out, FlushCompress::Sync).unwrap();
    assert!(out.len() < 50, "{}", out.len());
    out.truncate(out.len() - super::END.len());
    out
}

#[tokio::test]
async fn data_that_is_not_deflate_is_a_fault_of_the_message() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    for (name, payload) in [
        ("an invalid block type", vec![0x06, 0x00]),
        ("a cut block", hello[..4].to_vec()),
        ("a cut header of a dynamic block", vec![0x04, 0x00]),
        ("a stored block that is shorter than it says", vec![0x00, 0x06, 0x00, 0xf9, 0xff, b'H']),
        ("a stored block with a wrong length", vec![0x00, 0x05, 0x00, 0xfa, 0xfe, b'H']),
        ("bytes behind the last block", [&LAST_BLOCK[..], &[0xff, 0xff]].concat()),
        ("a last block without anything behind it", LAST_BLOCK.to_vec()),
        ("its own end", [&hello[..], &super::END].concat()),
        ("nine last blocks", [&LAST_BLOCK.repeat(9)[..], &[0x00]].concat()),
        ("a reference beyond the window", beyond_the_window()),
        ("noise", noise(500)),
        ("zlib's header", [&[0x78, 0x9c][..], &hello].concat()),
    ] {
        check(name, |_| vec![(BINARY, payload.clone())], DATA).await;
        let (start, rest) = payload.split_at(1);
        check(name, |_| vec![(0x42, start.to_vec()), (0x89, b"ping".to_vec()), (0x80, rest.to_vec())], DATA)
            .await;
    }
}

#[tokio::test]
async fn text_is_checked_after_it_is_decompressed() {
    for (name, bytes) in [
        ("a byte that is in no text", [text(1, 3000).as_bytes(), b"\xff", text(2, 3000).as_bytes()].concat()),
        ("half a character", [text(1, 3000).as_bytes(), b"\xf0\x9f\x92"].concat()),
        ("a surrogate", b"\xed\xa0\x80".to_vec()),
    ] {
        check(name, |peer| vec![(TEXT, peer.deflate(&bytes))], UTF8).await;
        // Compressed bytes are never text by themselves.
        check(name, |peer| vec![(0x41, peer.deflate(&bytes)), (0x80, Vec::new())], UTF8).await;
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_before_or_after_it_is_decompressed() {
    check("one byte over the limit", |peer| vec![(BINARY, peer.deflate(&vec![0; MESSAGE + 1]))], TOO_BIG)
        .await;
    check("a bomb", |peer| vec![(BINARY, peer.deflate(&vec![0; 20 << 20]))], TOO_BIG).await;
    check("a bomb of text", |peer| vec![(TEXT, peer.deflate(&vec![b' '; 20 << 20]))], TOO_BIG).await;
    let in_parts = |peer: &mut Peer| {
        let payload = peer.deflate(&vec![0; 20 << 20]);
        let (start, rest) = payload.split_at(payload.len() / 2);
        vec![(0x42, start.to_vec()), (0x80, rest.to_vec())]
    };
    check("a bomb in parts", in_parts, TOO_BIG).await;
    // The limits count the compressed bytes, too.
    check("a large frame", |_| vec![(BINARY, noise(FRAME + 1))], TOO_BIG).await;
    let frames = || vec![(0x42, noise(FRAME)), (0x00, noise(FRAME)), (0x80, vec![0x00])];
    check("a large message", |_| frames(), TOO_BIG).await;
    let many = || (0..=FRAMES).map(|it| (if it == 0 { 0x42 } else { 0x00 }, vec![0x00])).collect();
    check("many fragments", |_| many(), FRAGMENTS).await;
}
