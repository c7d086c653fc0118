//! The same with compressed messages: what they become costs no more than the limits, and an idle
//! connection costs its windows.

use std::time::Duration;

use flate2::{Compress, Compression as Level, FlushCompress};
use tokio::{io::AsyncWriteExt as _, time::timeout};
use ws_core::{Route, config::CompressionMode};

use super::{
    Busy, Echo, KIB, MESSAGE, most_during, others_are_served,
    support::{Raw, Server, frame, handshake_with},
};

/// The routes of these tests.
pub(super) fn routes() -> [Route; 3] {
    let window = |route: Route| route.compression(|it| it.mode = CompressionMode::Window);
    [
        Route::new("/compressed", Echo).compression(|it| it.mode = CompressionMode::PerMessage),
        window(Route::new("/with-windows", Echo)),
        window(Route::new("/busy-with-windows", Busy)),
    ]
}

pub(super) async fn check_all(server: &Server) {
    // This makes the states of the pool.
    idle_connections(server, 1).await;
    a_bomb_costs_a_few_times_the_limit(server).await;
    a_flood_of_small_messages_that_become_large_costs_what_it_does_uncompressed(server).await;
    let most = most_during(server, idle_connections(server, 200)).await;
    // Two windows of 4 KiB, and the client's side.
    assert!(most < 200 * 16 * KIB, "{most} bytes for 200 connections");
}

async fn open(server: &Server, path: &str) -> Raw {
    let mut raw = Raw::connect(server.addr).await;
    let lines = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let answer = raw.request(&handshake_with(path, lines)).await;
    assert!(answer.header("sec-websocket-extensions").is_some());
    raw
}

/// Messages as one client compresses them one after another.
fn compressed(messages: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut compressor = Compress::new_with_window_bits(Level::new(1), false, 12);
    let compress = |message: &Vec<u8>| {
        let mut out = Vec::with_capacity(message.len() / 100 + 10_000);
        compressor.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
        out.truncate(out.len() - 4);
        out
    };
    messages.iter().map(compress).collect()
}

async fn a_bomb_costs_a_few_times_the_limit(server: &Server) {
    let [bomb] = &compressed(&[vec![0; 16 * MESSAGE]])[..] else { panic!() };
    let whole = frame(0xc2, bomb);
    let (start, rest) = bomb.split_at(bomb.len() / 2);
    let fragments = [frame(0x42, start), frame(0x80, rest)].concat();
    for path in ["/compressed", "/with-windows"] {
        for bytes in [&whole, &fragments] {
            let mut raw = open(server, path).await;
            let most = most_during(server, async {
                raw.write(bytes).await;
                assert_eq!(raw.read_frame().await.close().0, 1009);
            })
            .await;
            assert!(most < 4 * MESSAGE, "{path}: {most} bytes");
        }
    }
}

async fn a_flood_of_small_messages_that_become_large_costs_what_it_does_uncompressed(server: &Server) {
    let messages = compressed(&vec![vec![7; MESSAGE]; 2]);
    let first = frame(0xc2, &messages[0]);
    // Each is the same as the one before it.
    let flood = frame(0xc2, &messages[1]).repeat(20);
    for path in ["/with-windows", "/busy-with-windows"] {
        let mut raw = open(server, path).await;
        raw.stream.set_zero_linger().unwrap();
        let most = most_during(server, async {
            let mut open = raw.stream.write_all(&first).await.is_ok();
            let mut rounds = 0;
            while open && rounds < 5 {
                let write = timeout(Duration::from_millis(200), raw.stream.write_all(&flood)).await;
                open = matches!(write, Ok(Ok(())));
                rounds += 1;
            }
            others_are_served(server, 2).await;
        })
        .await;
        // The inbox and a message that was begun, the outbox, and one that is being compressed.
        assert!(most < 8 * MESSAGE, "{path}: {most} bytes");
    }
}

async fn idle_connections(server: &Server, count: usize) {
    let message =
        |number: usize| format!("{{\"number\":{number},\"text\":\"{}\"}}", "words ".repeat(number * 30));
    let messages: Vec<Vec<u8>> = (1..20).map(|number| message(number).into_bytes()).collect();
    let frames: Vec<Vec<u8>> = compressed(&messages).iter().map(|payload| frame(0xc1, payload)).collect();
    let mut idle = Vec::with_capacity(count);
    for _ in 0..count {
        let mut raw = open(server, "/with-windows").await;
        for frame in &frames {
            raw.write(frame).await;
            assert_eq!(raw.read_frame().await.first, 0xc1);
        }
        idle.push(raw);
    }
    others_are_served(server, 2).await;
}
