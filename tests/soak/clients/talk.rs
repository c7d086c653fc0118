//! Clients that talk; their answers are checked.

use std::net::SocketAddr;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::{Dice, close, connect, next, next_own, open, send, until_closed};
use crate::{
    server::MESSAGE,
    support::{frame, handshake},
};

pub(super) async fn echo(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = open(addr, dice, "").await;
    for _ in 0..dice.below(10) {
        let largest = [16, 1000, 20_000, MESSAGE as u64 + 1][dice.below(4) as usize];
        let payload = vec![dice.below(256) as u8; dice.below(largest) as usize];
        raw.frame(0x82, &payload).await;
        assert_eq!(next_own(&mut raw).await, payload);
    }
    close(raw).await;
}

pub(super) async fn events(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = open(addr, dice, "").await;
    let several = dice.below(20);
    for number in 0..several {
        let event = json!({"event": "echo", "data": "hi", "ref": number});
        raw.frame(0x81, event.to_string().as_bytes()).await;
    }
    for number in 0..several {
        let payload = next_own(&mut raw).await;
        let reply: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(reply, json!({"event": "echo", "data": "hi", "ref": number}));
    }
    for faulty in [r#"{"event":"nobody's"}"#, r#"{"event":"echo","data":1}"#, "no envelope"] {
        raw.frame(0x81, faulty.as_bytes()).await;
        assert!(next_own(&mut raw).await.starts_with(br#"{"event":"error""#), "{faulty}");
    }
    close(raw).await;
}

pub(super) async fn rooms(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = open(addr, dice, "").await;
    for _ in 0..1 + dice.below(4) {
        let (from, to) = (dice.room(), dice.room());
        send(&mut raw, "move", (&from, &to)).await;
        next_own(&mut raw).await;
        let mine = dice.below(u64::MAX).to_string();
        send(&mut raw, "say", (&to, &mine)).await;
        // Other clients talk, too.
        while !String::from_utf8(next(&mut raw).await.payload).unwrap().contains(&mine) {}
    }
    if dice.below(2) == 0 {
        close(raw).await;
    }
}

pub(super) async fn pings(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = open(addr, dice, "").await;
    for number in 0..dice.below(20) {
        raw.frame(0x89, &number.to_be_bytes()).await;
        loop {
            let frame = next(&mut raw).await;
            if frame.first == 0x8a {
                assert_eq!(frame.payload, number.to_be_bytes());
                break;
            }
        }
    }
    close(raw).await;
}

/// Requests pages over one stream, which then becomes a connection or not.
pub(super) async fn pages(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = connect(addr, dice).await;
    for _ in 0..dice.below(3) {
        assert_eq!(raw.request("GET /page HTTP/1.1\r\nHost: x\r\n\r\n").await.status, 200);
    }
    if dice.below(2) == 0 {
        assert_eq!(raw.request(&handshake("/1")).await.status, 101);
        close(raw).await;
    }
}

pub(super) async fn fragments(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = open(addr, dice, "").await;
    raw.frame(0x02, b"begin").await;
    for _ in 0..dice.below(200) {
        raw.frame(0x00, b"").await;
    }
    if dice.below(2) == 0 {
        raw.frame(0x80, b"end").await;
        assert_eq!(next_own(&mut raw).await, b"beginend");
        close(raw).await;
    }
}

pub(super) async fn watch(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = open(addr, dice, "").await;
    send(&mut raw, "watch", dice.room()).await;
    // The handler does not end by itself: its deadline ends it, or the client.
    if dice.below(8) == 0 {
        assert_eq!(until_closed(&mut raw).await, 1011);
    }
}

pub(super) async fn ask(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = open(addr, dice, "").await;
    send(&mut raw, "ask", ()).await;
    let asked = next_own(&mut raw).await;
    let asked: serde_json::Value = serde_json::from_slice(&asked).unwrap();
    assert_eq!(asked["event"], "asked");
    if dice.below(2) == 0 {
        let answer = json!({"event": "asked", "data": 7, "ref": asked["ref"]});
        raw.frame(0x81, answer.to_string().as_bytes()).await;
        assert_eq!(next_own(&mut raw).await, br#"{"event":"ask","data":true}"#);
        close(raw).await;
    }
}

/// Requests the end of its connection, and expects it.
pub(super) async fn ends(addr: SocketAddr, dice: &mut Dice, query: &str, event: &str, code: u16) {
    let mut raw = open(addr, dice, query).await;
    send(&mut raw, event, ()).await;
    assert_eq!(until_closed(&mut raw).await, code, "{event}");
    if dice.below(2) == 0 {
        // Otherwise it disappears.
        let _ = raw.stream.write_all(&frame(0x88, &code.to_be_bytes())).await;
    }
}

pub(super) async fn panics(addr: SocketAddr, dice: &mut Dice) {
    match dice.below(3) {
        0 => ends(addr, dice, "", "panic", 1011).await,
        1 => {
            let mut raw = open(addr, dice, "?panic-in-open").await;
            assert_eq!(until_closed(&mut raw).await, 1011);
        }
        _ => close(open(addr, dice, "?panic-in-close").await).await,
    }
}
