//! Floods of messages that cost their sender little: other peers are served meanwhile, and a peer
//! that reads gets its answers.
//!
//! Client and server share one thread, so a task that does not yield blocks the test.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::io::AsyncWriteExt as _;

use super::*;
use crate::support::{Raw, frame, next_text, send};

/// The number of flooding peers.
const PEERS: usize = 4;
/// The number of messages that a bystander exchanges meanwhile.
const ROUNDS: usize = 5;

#[test]
fn others_are_served_during_a_flood() {
    // The runtime polls for I/O every few tasks instead of every 61, so that a round takes few
    // turns of the flood.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(5).build();
    runtime.unwrap().block_on(flood());
}

async fn flood() {
    let [ping, pong, text] = [0x89, 0x8a, 0x81].map(|first| frame(first, b""));
    let cases = [
        ("pings", vec![], ping.repeat(1000)),
        ("large pings", vec![], frame(0x89, &[7; 125]).repeat(1000)),
        ("pongs", vec![], pong.repeat(1000)),
        ("empty texts", vec![], text.repeat(1000)),
        ("empty fragments", frame(0x01, b""), frame(0x00, b"").repeat(1000)),
        ("tiny fragments", frame(0x01, b"a"), frame(0x00, b"a").repeat(1000)),
        ("large messages", vec![], frame(0x82, &[7; 200_000])),
    ];
    let (server, _endings) = echo().await;
    for (case, start, flood) in cases {
        let written = Arc::new(AtomicUsize::new(0));
        let mut peers = tokio::task::JoinSet::new();
        for _ in 0..PEERS {
            let (mut raw, addr) = (server.raw("/").await, server.addr);
            // The messages on the way are lost with the connection.
            raw.stream.set_zero_linger().unwrap();
            let (start, flood, written) = (start.clone(), flood.clone(), Arc::clone(&written));
            // None of them reads. A peer that is cut connects again.
            peers.spawn(async move {
                loop {
                    let mut open = raw.stream.write_all(&start).await;
                    while open.is_ok() {
                        open = raw.stream.write_all(&flood).await;
                        written.fetch_add(1, Ordering::Relaxed);
                    }
                    raw = Raw::connect(addr).await;
                    raw.request(&crate::support::handshake("/")).await;
                }
            });
        }
        let mut bystander = server.connect("/").await;
        for round in 0..ROUNDS {
            let text = format!("{case} {round}");
            send(&mut bystander, &text).await;
            assert_eq!(next_text(&mut bystander).await, text);
        }
        assert!(written.load(Ordering::Relaxed) >= PEERS, "{case}: there was no flood");
    }
}

#[tokio::test]
async fn each_ping_of_a_flood_is_answered_if_the_peer_reads() {
    const PINGS: u32 = 20_000;
    let (server, _endings) = echo().await;
    let mut raw = server.raw("/").await;
    let pings: Vec<u8> = (0..PINGS).flat_map(|n| frame(0x89, &n.to_be_bytes())).collect();
    let (mut reader, mut writer) = raw.stream.split();
    let writing = async { within("pings", writer.write_all(&pings)).await.unwrap() };
    let reading = async {
        let mut pong = [0; 6];
        for n in 0..PINGS {
            let read = tokio::io::AsyncReadExt::read_exact(&mut reader, &mut pong);
            within("a pong", read).await.unwrap();
            assert_eq!((pong[..2].to_vec(), pong[2..].to_vec()), (vec![0x8a, 4], n.to_be_bytes().to_vec()));
        }
    };
    tokio::join!(writing, reading);
}
