//! The soak test: a server in a process of its own, thousands of connections of every kind, and no
//! remains of them.
//!
//! The test has rounds of many concurrent connections. After the first one and after each further
//! one all clients leave, and the server reports what it holds: bytes on the heap, file
//! descriptors, tasks, connections, members of rooms. Growth from round to round is a leak. At the
//! end, the server still accepts the full number of connections.
//!
//! `cargo test` runs a short form. A long form prints its progress: `SOAK_MINUTES=10 cargo test -p
//! ws-tests --test soak -- --nocapture`. `SOAK_SEED=7` repeats the same connections.

#![cfg(target_os = "linux")]

mod clients;
mod heap;
#[allow(dead_code, reason = "shared with the integration tests, which use all of it")]
#[path = "../integration/process.rs"]
mod process;
mod server;
#[allow(dead_code, reason = "the same")]
#[path = "../integration/support.rs"]
mod support;

use std::{
    io::Write as _,
    net::SocketAddr,
    ops::Range,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use tokio::{io::AsyncWriteExt as _, task::JoinSet};

use crate::{
    clients::Dice,
    process::Process,
    server::CONNECTIONS,
    support::{Raw, handshake, within},
};

/// The number of concurrent clients, below the limit of the server.
const CLIENTS: usize = 96;
/// The number of connections in a round, and in a round of the long form. Each round waits for its
/// slowest connection.
const ROUND: u64 = 1500;
const LONG_ROUND: u64 = 6000;
/// The accepted growth of the heap at the end, in bytes: tables keep their largest capacity. In the
/// one round of the short form this is 22 bytes for each connection, so anything that a connection
/// leaks is detected.
const GROWTH: i64 = 32 << 10;
/// The accepted growth of the buffers: each of the two threads keeps at most 5 MiB.
const BUFFER_GROWTH: i64 = 10 << 20;
/// The accepted growth of resident memory, which includes the buffers and the data of the
/// allocator.
const RESIDENT_GROWTH: i64 = 32 << 20;

/// The resources of the server.
#[derive(Clone, Copy, Debug)]
struct Held {
    heap: i64,
    buffers: i64,
    resident: i64,
    fds: i64,
    tasks: i64,
    connections: i64,
    /// Memberships of rooms, and of users.
    grouped: i64,
}

async fn held(process: &mut Process) -> Held {
    process.child.stdin.as_mut().unwrap().write_all(b"?\n").await.unwrap();
    let line = process.says("held").await;
    let numbers: Vec<i64> = line.split(' ').skip(1).map(|number| number.parse().unwrap()).collect();
    let [heap, buffers, resident, fds, tasks, connections, grouped] = numbers[..] else { panic!("{line}") };
    Held { heap, buffers, resident, fds, tasks, connections, grouped }
}

/// Waits until all clients have left: the number of tasks is that of the beginning.
async fn left(process: &mut Process, before: Held) -> Held {
    within("all have left", async {
        loop {
            let now = held(process).await;
            if (now.tasks, now.fds) == (before.tasks, before.fds) {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
}

/// Runs the connections of these numbers.
async fn round(addr: SocketAddr, seed: u64, numbers: Range<u64>) {
    let number = Arc::new(AtomicU64::new(numbers.start));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let number = Arc::clone(&number);
        clients.spawn(async move {
            loop {
                let number = number.fetch_add(1, Ordering::Relaxed);
                if number >= numbers.end {
                    return;
                }
                clients::live(addr, Dice::new(seed, number)).await;
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
}

/// Checks that the server accepts exactly its limit of connections. They answer pings, because on a
/// busy machine it takes longer than the heartbeat to open all of them.
async fn fill(addr: SocketAddr) {
    let mut inside = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut raw = Raw::connect(addr).await;
        assert_eq!(raw.request(&handshake("/1")).await.status, 101, "{} are in", inside.len());
        inside.spawn(clients::answer_pings(raw));
    }
    assert_eq!(Raw::connect(addr).await.request(&handshake("/1")).await.status, 503);
    inside.shutdown().await;
}

fn from_env<T: FromStr>(name: &str) -> Option<T> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_every_kind_leave_no_resources() {
    let minutes: Option<f64> = from_env("SOAK_MINUTES");
    let length = minutes.map_or(Duration::from_secs(8), |minutes| Duration::from_secs_f64(minutes * 60.0));
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = from_env("SOAK_SEED").unwrap_or_else(now);
    let say = |text: &str| {
        println!("{text}");
        if minutes.is_some() {
            // Written around the test harness, which keeps printed text until the end.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    };
    say(&format!("SOAK_SEED={seed}"));

    let mut process = Process::of("server::serves", "", "").await;
    let addr = process.addr;
    let began = Instant::now();
    let before = held(&mut process).await;
    assert_eq!((before.connections, before.grouped), (0, 0));
    // This allocates everything that is allocated once, for as many clients as the first round has.
    fill(addr).await;
    left(&mut process, before).await;
    let size = if minutes.is_some() { LONG_ROUND } else { ROUND };
    round(addr, seed, 0..size).await;
    let first = left(&mut process, before).await;
    say(&format!("after the first round: {first:?}"));

    let mut lived = 0;
    while lived == 0 || began.elapsed() < length {
        lived += size;
        round(addr, seed, lived..lived + size).await;
        let now = left(&mut process, before).await;
        let (elapsed, grown) = (began.elapsed().as_secs(), now.heap - first.heap);
        say(&format!("{elapsed} s, {lived} more connections: heap {grown:+}, {now:?}"));
    }
    fill(addr).await;
    let last = left(&mut process, before).await;
    assert_eq!((last.connections, last.grouped), (0, 0));
    let grown = |of: fn(&Held) -> i64| of(&last) - of(&first);
    let is_as_before = grown(|held| held.heap) < GROWTH
        && grown(|held| held.buffers) < BUFFER_GROWTH
        && grown(|held| held.resident) < RESIDENT_GROWTH;
    assert!(is_as_before, "grown over {lived} connections: {first:?}, {last:?}");
}
