//! The memory that a peer can make the server allocate. This is a binary of its own, because its
//! allocator counts.
//!
//! It is one test, so that no other test allocates meanwhile. Client and server share its thread.
//! The bounds are loose: they distinguish a buffer from a flood, but not one buffer from another.

mod allocator;
mod compressed;
mod compression;
#[path = "../integration/support.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod support;

use std::time::Duration;

use tokio::{io::AsyncWriteExt as _, time::timeout};
use ws_core::{
    App, Connection, Controller, Message, Result,
    config::{ServerConfig, ServerKind},
};

use self::{
    allocator::Counting,
    support::{Raw, Server, frame, next_text, send, start_with},
};

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

const KIB: usize = 1 << 10;
/// The default limit of a message.
const MESSAGE: usize = 1 << 20;

struct Echo;

impl Controller for Echo {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        Ok(conn.send(message).await?)
    }
}

/// Its callback never ends.
struct Busy;

impl Controller for Busy {
    async fn on_message(&self, _: &Connection, _: Message) -> Result {
        std::future::pending().await
    }
}

#[test]
fn the_memory_that_a_peer_can_cost_is_limited() {
    // The runtime polls for I/O every few tasks instead of every 61, so that a flood is short
    // between two answers.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(5).build();
    runtime.unwrap().block_on(check_all());
}

async fn check_all() {
    let mut config = support::config();
    config.servers.push(ServerConfig::new("http", ServerKind::Http, 0));
    let app = App::without_registry()
        .controller("/", Echo)
        .controller("/busy", Busy)
        .http("http", axum::Router::new());
    let app = compressed::routes().into_iter().fold(app, App::route);
    let server = start_with(app, config).await;
    // This allocates the buffers of the pool and everything else that is allocated once.
    others_are_served(&server, 1).await;
    a_half_sent_head_costs_little_more_than_its_bytes(&server, "ws").await;
    a_half_sent_head_costs_little_more_than_its_bytes(&server, "http").await;
    an_announced_length_allocates_nothing(&server).await;
    a_message_in_fragments_costs_a_few_times_its_limit(&server).await;
    an_incomplete_frame_costs_a_buffer(&server).await;
    a_flood_without_reading_costs_a_backlog(&server).await;
    a_flood_that_waits_for_a_callback_costs_an_inbox(&server).await;
    compression::check_all().await;
    compressed::check_all(&server).await;
}

/// A connection after its handshake, whose memory is released.
async fn open(server: &Server) -> Raw {
    let mut raw = server.raw("/").await;
    raw.frame(0x81, b"settled").await;
    assert_eq!(raw.read_frame().await.payload, b"settled");
    raw
}

/// Returns the most bytes that are allocated at once during this future, after ended connections
/// are released.
async fn most_during(server: &Server, work: impl Future<Output = ()>) -> usize {
    others_are_served(server, 3).await;
    ALLOCATOR.most_during(work).await
}

async fn others_are_served(server: &Server, rounds: usize) {
    let mut bystander = server.connect("/").await;
    for _ in 0..rounds {
        send(&mut bystander, "still here").await;
        assert_eq!(next_text(&mut bystander).await, "still here");
    }
}

async fn a_half_sent_head_costs_little_more_than_its_bytes(server: &Server, name: &str) {
    const PEERS: usize = 400;
    let mut peers = Vec::with_capacity(PEERS);
    let half = &support::handshake("/")[..100];
    let addr = server.running.local_addr(name).unwrap();
    let most = most_during(server, async {
        for _ in 0..PEERS {
            let mut peer = Raw::connect(addr).await;
            peer.write(half.as_bytes()).await;
            peers.push(peer);
        }
        others_are_served(server, 2).await;
    })
    .await;
    assert!(most < PEERS * 8 * KIB, "{name}: {most} bytes for {PEERS} peers");
}

async fn an_announced_length_allocates_nothing(server: &Server) {
    let cases: [(&str, u8, u8, u64, u16); 9] = [
        ("a GiB", 0x82, 0x80, 1 << 30, 1009),
        ("a GiB of text", 0x81, 0x80, 1 << 30, 1009),
        ("one more than the limit", 0x82, 0x80, MESSAGE as u64 + 1, 1009),
        ("a fragment of a GiB", 0x02, 0x80, 1 << 30, 1009),
        // RFC 6455 section 5.2: the highest bit is 0.
        ("the highest bit", 0x82, 0x80, 1 << 63, 1002),
        ("all bits", 0x82, 0x80, u64::MAX, 1002),
        ("all bits but the highest", 0x82, 0x80, u64::MAX >> 1, 1009),
        ("a ping of a GiB", 0x89, 0x80, 1 << 30, 1002),
        ("without a mask", 0x82, 0x00, u64::MAX, 1002),
    ];
    for (case, first, masked, length, code) in cases {
        let mut raw = open(server).await;
        let header = [&[first, masked | 127][..], &length.to_be_bytes(), &[0; 4]].concat();
        let most = most_during(server, async {
            raw.write(&header).await;
            assert_eq!(raw.read_frame().await.close().0, code, "{case}");
        })
        .await;
        assert!(most < 64 * KIB, "{case}: {most} bytes");
    }
}

async fn a_message_in_fragments_costs_a_few_times_its_limit(server: &Server) {
    for size in [100, 10 * KIB] {
        let mut raw = open(server).await;
        let fragments =
            [frame(0x02, &[7; 1]), frame(0x00, &vec![7; size]).repeat(MESSAGE / size + 1)].concat();
        let most = most_during(server, async {
            raw.write(&fragments).await;
            assert_eq!(raw.read_frame().await.close().0, 1009, "fragments of {size}");
        })
        .await;
        assert!(most < 4 * MESSAGE, "fragments of {size}: {most} bytes");
    }
}

async fn an_incomplete_frame_costs_a_buffer(server: &Server) {
    const PEERS: usize = 100;
    let mut peers = Vec::with_capacity(PEERS);
    for _ in 0..PEERS {
        peers.push(open(server).await);
    }
    let cases: [(&str, &[u8], usize); 3] = [
        ("half a header", &[0x82, 0xff, 0, 0, 0], 24),
        // The frame announces as many bytes as the limit allows.
        ("and no payload", &[0, 0, 0x10, 0, 0, 1, 2, 3, 4], 24),
        ("and its first byte", &[7], 100),
    ];
    for (case, bytes, kib) in cases {
        let most = most_during(server, async {
            for peer in &mut peers {
                peer.write(bytes).await;
            }
            others_are_served(server, 2).await;
        })
        .await;
        assert!(most < PEERS * kib * KIB, "{case}: {most} bytes for {PEERS} peers");
    }
}

async fn a_flood_without_reading_costs_a_backlog(server: &Server) {
    // The bytes to send: many if the answers make the server stop reading, fewer otherwise.
    const MUCH: usize = 16 << 20;
    const SOME: usize = 1 << 20;
    let cases = [
        ("large pings", vec![], frame(0x89, &[7; 125]), MUCH),
        ("small texts", vec![], frame(0x81, &[b'x'; 100]), MUCH),
        ("pings", vec![], frame(0x89, b""), SOME),
        ("empty texts", vec![], frame(0x81, b""), SOME),
        ("empty fragments", frame(0x01, b""), frame(0x00, b""), SOME),
    ];
    for (case, start, frame, enough) in cases {
        let flood = frame.repeat(1000);
        let mut raw = open(server).await;
        raw.stream.set_zero_linger().unwrap();
        let most = most_during(server, async {
            let mut open = raw.stream.write_all(&start).await.is_ok();
            let mut written = 0;
            // It ends when it is cut off or paused. Too early a decision for a pause does no harm.
            while open && written < enough {
                let write = timeout(Duration::from_millis(200), raw.stream.write_all(&flood)).await;
                open = matches!(write, Ok(Ok(())));
                written += flood.len();
            }
            others_are_served(server, 2).await;
        })
        .await;
        assert!(most < MESSAGE, "{case}: {most} bytes");
    }
}

async fn a_flood_that_waits_for_a_callback_costs_an_inbox(server: &Server) {
    // The number of bytes to send: more than the inbox and the buffers of both sides hold.
    const MUCH: usize = 32 << 20;
    let [small, medium, large] = [10, 5000, 60_000].map(|size| frame(0x82, &vec![7; size]));
    // In the last case each small message is a part of the buffer of a large one.
    let cases = [
        ("small", small.repeat(1000)),
        ("medium", medium.repeat(100)),
        ("large", large.repeat(10)),
        ("pings", frame(0x89, &[7; 125]).repeat(1000)),
        ("large and small", [large, small.repeat(10)].concat().repeat(10)),
    ];
    for (case, flood) in cases {
        let mut raw = server.raw("/busy").await;
        raw.stream.set_zero_linger().unwrap();
        let most = most_during(server, async {
            raw.write(&frame(0x81, b"wait")).await;
            let (mut open, mut written) = (true, 0);
            while open && written < MUCH {
                let write = timeout(Duration::from_millis(200), raw.stream.write_all(&flood)).await;
                open = matches!(write, Ok(Ok(())));
                written += flood.len();
            }
            assert!(!open, "{case}: it reads without a limit");
            others_are_served(server, 2).await;
        })
        .await;
        assert!(most < MESSAGE, "{case}: {most} bytes");
    }
}
