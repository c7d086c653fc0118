//! Clients that break the rules, stop in the middle, or do not read.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Dice, answer, connect, next, open, send, until_closed};
use crate::{
    server::{DEADLINE, MESSAGE},
    support::{frame, handshake},
};

pub(super) async fn oversized(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = open(addr, dice, "").await;
    // The head of a frame that is too long, and a part of its payload.
    let too_long = (MESSAGE as u64 + 1 + dice.below(1 << 40)).to_be_bytes();
    raw.write(&[&[0x82, 0xff], &too_long[..], &[0; 4]].concat()).await;
    let _ = raw.stream.write_all(&vec![0; dice.below(100_000) as usize]).await;
    assert_eq!(until_closed(&mut raw).await, 1009);
}

pub(super) async fn invalid(addr: SocketAddr, dice: &mut Dice) {
    let cases: [(Vec<u8>, u16); 7] = [
        (vec![0x81, 0x02, b'h', b'i'], 1002),
        (frame(0xc1, b"reserved"), 1002),
        (frame(0x83, b"unknown opcode"), 1002),
        (frame(0x09, b"a ping in fragments"), 1002),
        (frame(0x80, b"continues nothing"), 1002),
        (frame(0x81, b"\xff\xfe"), 1007),
        (frame(0x88, &1005_u16.to_be_bytes()), 1002),
    ];
    let (bytes, code) = &cases[dice.below(7) as usize];
    let mut raw = open(addr, dice, "").await;
    raw.write(bytes).await;
    assert_eq!(until_closed(&mut raw).await, *code, "{bytes:?}");
}

pub(super) async fn refused(addr: SocketAddr, dice: &mut Dice) {
    let cases = [
        (handshake("/a/b"), 404),
        (handshake("/1").replace("==", ""), 400),
        (handshake("/1").replace("Version: 13", "Version: 8"), 426),
        (handshake(&format!("/{}", "x".repeat(4000))), 414),
        (handshake("/1?refused"), 403),
        (handshake("/1?changes-its-mind"), 409),
        (handshake("/1?panic-in-middleware"), 500),
    ];
    let (request, status) = &cases[dice.below(7) as usize];
    let mut raw = answer(addr, dice, request, *status).await;
    if dice.below(2) == 0 && *status != 414 {
        // The stream may be used for another request.
        assert_eq!(raw.request(&handshake("/1")).await.status, 101);
    }
}

pub(super) async fn half_handshake(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = connect(addr, dice).await;
    let request = handshake("/1");
    raw.write(&request.as_bytes()[..dice.below(request.len() as u64) as usize]).await;
    if dice.below(10) == 0 {
        // Until it is closed.
        let _ = raw.stream.read_to_end(&mut Vec::new()).await;
    }
}

/// A reset (RST) in the handshake, in the middle of a frame, of a close, of an answer.
pub(super) async fn reset(addr: SocketAddr, dice: &mut Dice) {
    let raw = match dice.below(5) {
        0 => connect(addr, dice).await,
        1 => {
            let mut raw = connect(addr, dice).await;
            raw.write(handshake("/1").as_bytes()).await;
            raw
        }
        at => {
            let mut raw = open(addr, dice, "").await;
            match at {
                2 => raw.write(&frame(0x82, &[0; 5000])[..dice.below(5000) as usize]).await,
                3 => raw.frame(0x88, &1000_u16.to_be_bytes()).await,
                _ => send(&mut raw, "pour", ()).await,
            }
            raw
        }
    };
    raw.stream.set_zero_linger().unwrap();
}

pub(super) async fn half_close(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = open(addr, dice, "").await;
    raw.frame(0x82, b"last words").await;
    raw.stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    raw.stream.read_to_end(&mut rest).await.unwrap();
}

/// Lets the outbox overflow, and either reads the messages before the close frame or does not.
pub(super) async fn flood(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = open(addr, dice, "").await;
    send(&mut raw, "flood", ()).await;
    if dice.below(2) == 0 {
        assert_eq!(until_closed(&mut raw).await, 1013);
    }
}

/// Requests a large answer, reads a small part of it, and disappears.
pub(super) async fn pour(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = open(addr, dice, "").await;
    send(&mut raw, "pour", ()).await;
    for _ in 0..dice.below(20) {
        next(&mut raw).await;
    }
    if dice.below(8) == 0 {
        // The server reaches a deadline: that of its handler, or that of its heartbeat.
        tokio::time::sleep(2 * DEADLINE).await;
    }
}

/// Answers no ping, so the server drops it without a close frame.
pub(super) async fn silent(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = open(addr, dice, "").await;
    let _ = raw.stream.read_to_end(&mut Vec::new()).await;
}
