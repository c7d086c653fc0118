//! What clients do to the server: what they should, and most of what they should not.
//!
//! Each connection is one [`Deed`], drawn by its number and the seed of the run, so that it can be drawn again. Where
//! the server owes an answer it is checked; what is only abuse ends somehow, and the server's numbers tell the rest.

use std::net::SocketAddr;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
};

use crate::{
    server::{DEADLINE, MESSAGE},
    support::{Raw, RawFrame, frame, handshake, within},
};

/// Rooms that are met in.
pub(crate) const ROOMS: u64 = 8;
/// Addresses of this host that clients come from: one has not enough ports for those that have just been used.
const ADDRESSES: u64 = 16;

/// Chance that can be repeated (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let mut dice = Self(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        dice.below(1);
        dice
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn room(&mut self) -> String {
        self.below(ROOMS).to_string()
    }
}

macro_rules! deeds {
    ($($weight:literal $name:ident),* $(,)?) => {
        /// What one connection is for.
        #[derive(Clone, Copy, Debug)]
        enum Deed { $($name),* }

        /// Each as often as it is drawn.
        const DEEDS: &[(u64, Deed)] = &[$(($weight, Deed::$name)),*];
    };
}

deeds! {
    30 Echo, 20 Events, 20 Rooms, 10 Pings, 5 Pages, 5 Bye, 3 Fragments,
    5 Oversized, 5 Invalid, 5 Refused, 5 HalfHandshake, 10 Reset, 5 HalfClose, 5 Vanish,
    5 Flood, 3 Pour, 3 Watch, 3 Ask, 5 Fail, 5 Panic, 1 Hang, 1 Silent, 1 Waits,
}

/// One connection from its beginning to its end.
pub(crate) async fn live(addr: SocketAddr, mut dice: Dice) {
    let total = DEEDS.iter().map(|(weight, _)| weight).sum();
    let mut drawn = dice.below(total);
    let (_, deed) = DEEDS
        .iter()
        .find(|(weight, _)| {
            let is_it = drawn < *weight;
            drawn = drawn.saturating_sub(*weight);
            is_it
        })
        .unwrap();
    within(&format!("{deed:?}"), deed.run(addr, &mut dice)).await;
}

impl Deed {
    async fn run(self, addr: SocketAddr, dice: &mut Dice) {
        match self {
            Self::Echo => echo(addr, dice).await,
            Self::Events => events(addr, dice).await,
            Self::Rooms => rooms(addr, dice).await,
            Self::Pings => pings(addr, dice).await,
            Self::Pages => pages(addr, dice).await,
            Self::Bye => ends(addr, dice, "", "leave", 4000).await,
            Self::Fragments => fragments(addr, dice).await,
            Self::Oversized => oversized(addr, dice).await,
            Self::Invalid => invalid(addr, dice).await,
            Self::Refused => refused(addr, dice).await,
            Self::HalfHandshake => half_handshake(addr, dice).await,
            Self::Reset => reset(addr, dice).await,
            Self::HalfClose => half_close(addr, dice).await,
            Self::Vanish => drop(open(addr, dice, "").await),
            Self::Flood => flood(addr, dice).await,
            Self::Pour => pour(addr, dice).await,
            Self::Watch => watch(addr, dice).await,
            Self::Ask => ask(addr, dice).await,
            Self::Fail => ends(addr, dice, "", "fail", 4001).await,
            Self::Panic => panics(addr, dice).await,
            Self::Hang => ends(addr, dice, "", "hang", 1011).await,
            Self::Silent => silent(addr, dice).await,
            Self::Waits => drop(answer(addr, dice, &handshake("/1?waits"), 503).await),
        }
    }
}

/// A stream from one of many addresses.
pub(crate) async fn connect(addr: SocketAddr, dice: &mut Dice) -> Raw {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1 + dice.below(ADDRESSES) as u8], 0).into()).unwrap();
    Raw { stream: socket.connect(addr).await.unwrap() }
}

async fn answer(addr: SocketAddr, dice: &mut Dice, request: &str, status: u16) -> Raw {
    let mut raw = connect(addr, dice).await;
    let answer = raw.request(request).await;
    assert_eq!(answer.status, status, "{request}: {answer:?}");
    raw
}

/// A connection in a room of chance.
async fn open(addr: SocketAddr, dice: &mut Dice, query: &str) -> Raw {
    let target = format!("/{}{query}", dice.room());
    answer(addr, dice, &handshake(&target), 101).await
}

/// The next frame that is no ping; those are answered.
async fn next(raw: &mut Raw) -> RawFrame {
    loop {
        let frame = raw.read_frame().await;
        if frame.first != 0x89 {
            return frame;
        }
        // The server may have closed by now.
        let _ = raw.stream.write_all(&crate::support::frame(0x8a, &frame.payload)).await;
    }
}

/// The next message that is not about others.
async fn next_own(raw: &mut Raw) -> Vec<u8> {
    loop {
        let frame = next(raw).await;
        assert!(matches!(frame.first, 0x81 | 0x82), "{frame:?}");
        if !frame.payload.starts_with(br#"{"event":"said""#) {
            return frame.payload;
        }
    }
}

async fn until_closed(raw: &mut Raw) -> u16 {
    loop {
        let frame = next(raw).await;
        if frame.first == 0x88 {
            return frame.close().0;
        }
    }
}

async fn send(raw: &mut Raw, event: &str, data: impl serde::Serialize) {
    raw.frame(0x81, json!({ "event": event, "data": data }).to_string().as_bytes()).await;
}

/// Closes in order.
async fn close(mut raw: Raw) {
    raw.frame(0x88, &1000_u16.to_be_bytes()).await;
    assert_eq!(until_closed(&mut raw).await, 1000);
}

async fn echo(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = open(addr, dice, "").await;
    for _ in 0..dice.below(10) {
        let largest = [16, 1000, 20_000, MESSAGE as u64 + 1][dice.below(4) as usize];
        let payload = vec![dice.below(256) as u8; dice.below(largest) as usize];
        raw.frame(0x82, &payload).await;
        assert_eq!(next_own(&mut raw).await, payload);
    }
    close(raw).await;
}

async fn events(addr: SocketAddr, dice: &mut Dice) {
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

async fn rooms(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = open(addr, dice, "").await;
    for _ in 0..1 + dice.below(4) {
        let (from, to) = (dice.room(), dice.room());
        send(&mut raw, "move", (&from, &to)).await;
        next_own(&mut raw).await;
        let mine = dice.below(u64::MAX).to_string();
        send(&mut raw, "say", (&to, &mine)).await;
        // Others talk, too.
        while !String::from_utf8(next(&mut raw).await.payload).unwrap().contains(&mine) {}
    }
    if dice.below(2) == 0 {
        close(raw).await;
    }
}

async fn pings(addr: SocketAddr, dice: &mut Dice) {
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

/// Pages over one stream, which then becomes a connection, or not.
async fn pages(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = connect(addr, dice).await;
    for _ in 0..dice.below(3) {
        assert_eq!(raw.request("GET /page HTTP/1.1\r\nHost: x\r\n\r\n").await.status, 200);
    }
    if dice.below(2) == 0 {
        assert_eq!(raw.request(&handshake("/1")).await.status, 101);
        close(raw).await;
    }
}

async fn fragments(addr: SocketAddr, dice: &mut Dice) {
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

async fn oversized(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = open(addr, dice, "").await;
    // The head of a frame that is too long, and some of it.
    let too_long = (MESSAGE as u64 + 1 + dice.below(1 << 40)).to_be_bytes();
    raw.write(&[&[0x82, 0xff], &too_long[..], &[0; 4]].concat()).await;
    let _ = raw.stream.write_all(&vec![0; dice.below(100_000) as usize]).await;
    assert_eq!(until_closed(&mut raw).await, 1009);
}

async fn invalid(addr: SocketAddr, dice: &mut Dice) {
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

async fn refused(addr: SocketAddr, dice: &mut Dice) {
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
        // The stream may try again.
        assert_eq!(raw.request(&handshake("/1")).await.status, 101);
    }
}

async fn half_handshake(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = connect(addr, dice).await;
    let request = handshake("/1");
    raw.write(&request.as_bytes()[..dice.below(request.len() as u64) as usize]).await;
    if dice.below(10) == 0 {
        // Until it is cut.
        let _ = raw.stream.read_to_end(&mut Vec::new()).await;
    }
}

/// A reset (RST) in the handshake, in the middle of a frame, of a close, of an answer.
async fn reset(addr: SocketAddr, dice: &mut Dice) {
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

async fn half_close(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = open(addr, dice, "").await;
    raw.frame(0x82, b"last words").await;
    raw.stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    raw.stream.read_to_end(&mut rest).await.unwrap();
}

/// Lets the outbox overflow, and reads what comes before the close frame, or does not.
async fn flood(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = open(addr, dice, "").await;
    send(&mut raw, "flood", ()).await;
    if dice.below(2) == 0 {
        assert_eq!(until_closed(&mut raw).await, 1013);
    }
}

/// Reads a little of much, then nothing, then it is gone.
async fn pour(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = open(addr, dice, "").await;
    send(&mut raw, "pour", ()).await;
    for _ in 0..dice.below(20) {
        next(&mut raw).await;
    }
    if dice.below(8) == 0 {
        // The server runs into a deadline: of its handler, or of its heartbeat.
        tokio::time::sleep(2 * DEADLINE).await;
    }
}

async fn watch(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = open(addr, dice, "").await;
    send(&mut raw, "watch", dice.room()).await;
    // It cannot end by itself: the deadline of a handler ends it, or the client.
    if dice.below(8) == 0 {
        assert_eq!(until_closed(&mut raw).await, 1011);
    }
}

async fn ask(addr: SocketAddr, dice: &mut Dice) {
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

/// Asks for its end, and gets it.
async fn ends(addr: SocketAddr, dice: &mut Dice, query: &str, event: &str, code: u16) {
    let mut raw = open(addr, dice, query).await;
    send(&mut raw, event, ()).await;
    assert_eq!(until_closed(&mut raw).await, code, "{event}");
    if dice.below(2) == 0 {
        // Otherwise it is just gone.
        let _ = raw.stream.write_all(&frame(0x88, &code.to_be_bytes())).await;
    }
}

async fn panics(addr: SocketAddr, dice: &mut Dice) {
    match dice.below(3) {
        0 => ends(addr, dice, "", "panic", 1011).await,
        1 => {
            let mut raw = open(addr, dice, "?panic-in-open").await;
            assert_eq!(until_closed(&mut raw).await, 1011);
        }
        _ => close(open(addr, dice, "?panic-in-close").await).await,
    }
}

/// Answers no ping; the server drops it without a word.
async fn silent(addr: SocketAddr, dice: &mut Dice) {
    let mut raw = open(addr, dice, "").await;
    let _ = raw.stream.read_to_end(&mut Vec::new()).await;
}
