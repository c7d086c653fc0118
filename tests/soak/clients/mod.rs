//! The behaviour of clients: correct use, and most kinds of abuse.
//!
//! Each connection is one [`Deed`]. It is drawn by its number and the seed of the run, so that it
//! can be repeated. Answers of the server are checked. Abuse may end in any way; the counters of
//! the server show what remains.

mod abuse;
mod talk;

use std::net::SocketAddr;

use serde_json::json;
use tokio::{io::AsyncWriteExt as _, net::TcpSocket};

use crate::support::{Raw, RawFrame, frame, handshake, within};

/// The number of rooms.
pub(crate) const ROOMS: u64 = 8;
/// The number of client addresses on this host. One address has too few ports, because used ones
/// are blocked for a time.
const ADDRESSES: u64 = 16;

/// Repeatable random numbers (SplitMix64).
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
        /// The behaviour of one connection.
        #[derive(Clone, Copy, Debug)]
        enum Deed { $($name),* }

        /// Each deed with its weight.
        const DEEDS: &[(u64, Deed)] = &[$(($weight, Deed::$name)),*];
    };
}

deeds! {
    30 Echo, 20 Events, 20 Rooms, 10 Pings, 5 Pages, 5 Bye, 3 Fragments,
    5 Oversized, 5 Invalid, 5 Refused, 5 HalfHandshake, 10 Reset, 5 HalfClose, 5 Vanish,
    5 Flood, 3 Pour, 3 Watch, 3 Ask, 5 Fail, 5 Panic, 1 Hang, 1 Silent, 1 Waits,
}

/// Runs one connection from its beginning to its end.
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
            Self::Echo => talk::echo(addr, dice).await,
            Self::Events => talk::events(addr, dice).await,
            Self::Rooms => talk::rooms(addr, dice).await,
            Self::Pings => talk::pings(addr, dice).await,
            Self::Pages => talk::pages(addr, dice).await,
            Self::Bye => talk::ends(addr, dice, "", "leave", 4000).await,
            Self::Fragments => talk::fragments(addr, dice).await,
            Self::Oversized => abuse::oversized(addr, dice).await,
            Self::Invalid => abuse::invalid(addr, dice).await,
            Self::Refused => abuse::refused(addr, dice).await,
            Self::HalfHandshake => abuse::half_handshake(addr, dice).await,
            Self::Reset => abuse::reset(addr, dice).await,
            Self::HalfClose => abuse::half_close(addr, dice).await,
            Self::Vanish => drop(open(addr, dice, "").await),
            Self::Flood => abuse::flood(addr, dice).await,
            Self::Pour => abuse::pour(addr, dice).await,
            Self::Watch => talk::watch(addr, dice).await,
            Self::Ask => talk::ask(addr, dice).await,
            Self::Fail => talk::ends(addr, dice, "", "fail", 4001).await,
            Self::Panic => talk::panics(addr, dice).await,
            Self::Hang => talk::ends(addr, dice, "", "hang", 1011).await,
            Self::Silent => abuse::silent(addr, dice).await,
            Self::Waits => drop(answer(addr, dice, &handshake("/1?waits"), 503).await),
        }
    }
}

/// Opens a stream from one of many addresses.
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

/// Opens a connection in a random room.
async fn open(addr: SocketAddr, dice: &mut Dice, query: &str) -> Raw {
    let target = format!("/{}{query}", dice.room());
    answer(addr, dice, &handshake(&target), 101).await
}

/// Returns the next frame that is not a ping. Pings are answered.
async fn next(raw: &mut Raw) -> RawFrame {
    loop {
        let received = raw.read_frame().await;
        if received.first != 0x89 {
            return received;
        }
        // The server may have closed already.
        let _ = raw.stream.write_all(&frame(0x8a, &received.payload)).await;
    }
}

/// Answers pings until the connection ends.
pub(crate) async fn answer_pings(mut raw: Raw) -> ! {
    loop {
        next(&mut raw).await;
    }
}

/// Returns the next message that is not about others.
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

/// Closes with a close frame.
async fn close(mut raw: Raw) {
    raw.frame(0x88, &1000_u16.to_be_bytes()).await;
    assert_eq!(until_closed(&mut raw).await, 1000);
}
