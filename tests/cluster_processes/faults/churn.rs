//! Connections and nodes that join and leave, without remains.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::both::{kind, long_minutes, nodes, over, server, settings};
use crate::{
    brokers::{Broker, Nats},
    node::{Ask, Process, Settings, alone},
};

/// The clients at once.
const CLIENTS: usize = 6;
const ROOMS: usize = 50;
/// The growth of a node's resident memory that is accepted: allocators keep some freed memory.
const GROWTH: u64 = 16 << 20;
/// Longer than a channel lingers and a node is waited for, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The resources of the stable nodes and of the broker.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    /// The channels of the broker.
    channels: usize,
    /// The channels of groups, the tasks and the known nodes of each node.
    nodes: Vec<(u64, usize, String)>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_and_nodes_that_left_hold_no_resources() {
    let _alone = alone().await;
    let monitor = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nats = Nats::start(&format!("http: \"127.0.0.1:{monitor}\"")).map(Broker::Nats);
    over(Broker::redis(), nats, async |broker| {
        let settings = settings(&broker, server(&broker).port, Duration::from_millis(500));
        let stable = nodes(&[("a", &settings), ("b", &settings)]).await;
        let before = held(&broker, monitor, &stable).await;
        // The first round fills tables and pools.
        let time = Duration::from_millis(1500);
        round(&broker, &settings, &stable, time).await;
        returns_to(&before, &broker, monitor, &stable).await;
        let resident: Vec<u64> = stable.iter().map(resident).collect();
        let end = Instant::now() + long_minutes().map_or(time, |it| Duration::from_secs_f64(60.0 * it));
        while Instant::now() < end {
            round(&broker, &settings, &stable, Duration::min(time * 20, end - Instant::now())).await;
            returns_to(&before, &broker, monitor, &stable).await;
        }
        for (node, before) in stable.iter().zip(resident) {
            let now = self::resident(node);
            assert!(now < before + GROWTH, "{}: {before} bytes before, {now} now", kind(&broker));
        }
    })
    .await;
}

/// Lets connections and a node join and leave.
async fn round(broker: &Broker, settings: &Settings, stable: &[Process], time: Duration) {
    let end = Instant::now() + time;
    let clients = (0..CLIENTS).map(|number| client(number, stable, end));
    tokio::join!(futures_util::future::join_all(clients), async {
        let mut dies = false;
        while Instant::now() < end {
            let mut node = Process::start_with(settings, "passing").await;
            node.knows(stable.len() + 1).await;
            let mut member = node.connect().await;
            member.join(&["room 0", "room 1"]).await;
            assert_eq!(member.say("room 0", "from a passing node").await, "Queued", "{}", kind(broker));
            if dies {
                node.kill().await;
            } else {
                node.signal("-TERM");
                node.ended().await;
            }
            dies = !dies;
        }
    });
}

/// Connects, joins rooms, talks, and ends the connection, repeatedly.
async fn client(number: usize, nodes: &[Process], end: Instant) {
    let mut turn = number;
    while Instant::now() < end {
        turn += 1;
        let mut client = nodes[turn % nodes.len()].connect().await;
        let rooms = [turn % ROOMS, (turn * 7 + 1) % ROOMS].map(|room| format!("room {room}"));
        let own = format!("own {number} {turn}");
        client.join(&[&rooms[0], &rooms[1], &own]).await;
        assert_eq!(client.ask(&Ask::Identify(format!("user {}", turn % ROOMS))).await, "identified Cluster");
        for room in &rooms {
            assert_eq!(client.say(room, "hello").await, "Queued");
        }
        client.say(&own, &own).await;
        client.messages_until(&own).await;
        // The rest ends with the connection.
        client.ask(&Ask::Leave(vec![rooms[0].clone()])).await;
        client.close().await;
    }
}

/// Waits until the nodes and the broker hold the same as before.
async fn returns_to(before: &Held, broker: &Broker, monitor: u16, nodes: &[Process]) {
    let began = Instant::now();
    loop {
        let now = held(broker, monitor, nodes).await;
        if now == *before {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{}: {before:?} before, {now:?} now", kind(broker));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn held(broker: &Broker, monitor: u16, nodes: &[Process]) -> Held {
    let mut held = Held { channels: channels(broker, monitor).await, nodes: Vec::new() };
    for node in nodes {
        let mut client = node.connect().await;
        let (stats, known) = (client.stats().await, client.ask(&Ask::Nodes).await);
        held.nodes.push((stats.subscriptions, stats.tasks, known));
        client.close().await;
    }
    held
}

/// The number of channels that are subscribed at the broker.
async fn channels(broker: &Broker, monitor: u16) -> usize {
    match broker {
        Broker::Redis(redis) => {
            let client = redis::Client::open(format!("redis://127.0.0.1:{}", redis.port)).unwrap();
            let mut connection = client.get_multiplexed_async_connection().await.unwrap();
            let channels = redis::cmd("PUBSUB").arg("CHANNELS").query_async(&mut connection).await;
            channels.map(|channels: Vec<String>| channels.len()).unwrap()
        }
        _ => {
            let mut stream = TcpStream::connect(("127.0.0.1", monitor)).await.unwrap();
            stream.write_all(b"GET /subsz HTTP/1.0\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            let (_, json) = answer.split_once("\r\n\r\n").unwrap();
            let json: serde_json::Value = serde_json::from_str(json).unwrap();
            json["num_subscriptions"].as_u64().unwrap() as usize
        }
    }
}

/// The resident memory of a node in bytes.
fn resident(node: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
