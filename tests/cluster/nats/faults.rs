//! A server that is killed, stops, cuts connections, has limits, or forwards messages of clients
//! that are not nodes.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt as _;
use tokio::{net::TcpListener, runtime::Handle, sync::Notify, time::Instant};
use ws_core::{
    config::Cluster,
    hub::{ClusterChange, ClusterChanges, ClusterState, NotSent, Reach, Remote},
};

use super::{joined, server, stranger, wait_until_down, wait_until_up};
use crate::{
    brokers::{Broker, Nats, eventually, soon},
    logs::Logs,
    nodes::{Room, connect, connect_plain, expect, hub, pair, pair_with},
};

/// Waits for the report of a gap.
async fn gap(changes: &mut ClusterChanges) -> Duration {
    loop {
        if let Some(ClusterChange::Gap { at_most }) = soon(changes.next()).await {
            return at_most;
        }
    }
}

fn fast(settings: &mut Cluster) {
    settings.heartbeat = Duration::from_millis(200);
}

#[tokio::test]
async fn a_killed_server_is_joined_again_without_remains_of_the_old_link() {
    let Some(broker) = Broker::nats() else { return };
    let (a, b) = pair_with(&broker, fast).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for round in 0..3 {
        broker.stop();
        wait_until_down(&a).await;
        wait_until_down(&b).await;
        broker.restart();
        wait_until_up(&a).await;
        wait_until_up(&b).await;
        let text = format!("round {round}");
        hub(&a).room::<Room>("lobby").push(&*text);
        expect(&mut client, &text).await;
    }
    eventually("the tasks of the old links end", || tasks() <= before).await;
    assert_eq!(hub(&b).cluster().stats().reconnects, 3);
}

/// Forwards connections to a server, and cuts all of them on request.
struct Proxy {
    port: u16,
    accepted: Arc<AtomicUsize>,
    cut: Arc<Notify>,
}

impl Proxy {
    async fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (accepted, cut) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let proxy = Self { port, accepted: Arc::clone(&accepted), cut: Arc::clone(&cut) };
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                accepted.fetch_add(1, Ordering::Relaxed);
                let cut = Arc::clone(&cut);
                tokio::spawn(async move {
                    let mut server = tokio::net::TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        () = cut.notified() => {}
                    }
                });
            }
        });
        proxy
    }
}

#[tokio::test]
async fn a_link_that_is_cut_is_replaced_by_one_connection_because_the_client_makes_none() {
    let Some(nats) = Nats::start("") else { return };
    let proxy = Proxy::start(nats.port).await;
    let node = joined(nats.settings_of(&format!("nats://127.0.0.1:{}", proxy.port))).await;
    let (mut client, _) = connect(&node, "tom", "lobby").await;
    for cuts in 1..4 {
        proxy.cut.notify_waiters();
        let cluster = hub(&node).cluster();
        eventually("the link is replaced", || cluster.stats().reconnects == cuts).await;
        wait_until_up(&node).await;
        assert_eq!(proxy.accepted.load(Ordering::Relaxed) as u64, cuts + 1);
    }
    hub(&node).room::<Room>("lobby").push("still here");
    expect(&mut client, "still here").await;
}

#[tokio::test]
async fn a_stopped_server_is_noticed_by_the_heartbeats_and_an_unanswered_push_is_unknown() {
    let Some(broker) = Broker::nats() else { return };
    let (a, b) = pair_with(&broker, fast).await;
    let (mut local, _) = connect(&a, "jerry", "lobby").await;
    let (mut remote, _) = connect(&b, "tom", "lobby").await;
    let mut changes = hub(&b).cluster().changes();
    server(&broker).signal("-STOP");
    let stopped = Instant::now();
    let room = hub(&a).room::<Room>("lobby");
    let delivery = soon(room.in_turns().push("unknown")).await;
    assert_eq!((delivery.sent, delivery.remote), (1, Remote::Unknown));
    assert!(stopped.elapsed() < Duration::from_secs(3), "{:?}", stopped.elapsed());
    wait_until_down(&a).await;
    wait_until_down(&b).await;
    let delivery = soon(room.in_turns().push("not sent")).await;
    assert_eq!((delivery.sent, delivery.remote), (1, Remote::NotSent(NotSent::Unreachable)));
    assert_eq!(hub(&a).cluster().stats().unknown, 1);
    expect(&mut local, "unknown").await;
    expect(&mut local, "not sent").await;
    let at_least = stopped.elapsed();
    server(&broker).signal("-CONT");
    let at_most = gap(&mut changes).await;
    assert!(at_most >= at_least, "{at_most:?} >= {at_least:?}");
    wait_until_up(&a).await;
    room.push("again");
    // The server may have executed the unknown push after it continued.
    match remote.next_text().await.unwrap() {
        text if text == "unknown" => expect(&mut remote, "again").await,
        text => assert_eq!(text, "again"),
    }
}

#[tokio::test]
async fn a_node_that_the_server_cuts_because_it_is_slow_reports_a_gap_and_joins_again() {
    const SIZE: usize = 300_000;
    let Some(nats) = Nats::start("max_payload: 400000, max_pending: 400000") else { return };
    let broker = Broker::Nats(nats);
    let (a, b) = pair(&broker).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    let mut changes = hub(&b).cluster().changes();
    // The nodes do not read meanwhile, because they run on this thread.
    let mut socket = TcpStream::connect(("127.0.0.1", server(&broker).port)).unwrap();
    socket.write_all(b"CONNECT {\"verbose\":false}\r\n").unwrap();
    for _ in 0..100 {
        let command = format!("PUB {}.1.all {SIZE}\r\n{}\r\n", server(&broker).prefix, "x".repeat(SIZE));
        socket.write_all(command.as_bytes()).unwrap();
    }
    socket.write_all(b"PING\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"PONG\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    gap(&mut changes).await;
    assert_eq!(hub(&b).cluster().stats().reconnects, 1);
    wait_until_up(&a).await;
    hub(&a).room::<Room>("lobby").push("again");
    expect(&mut client, "again").await;
}

#[tokio::test]
async fn a_message_above_the_limit_of_the_server_is_not_sent_and_logged() {
    let logs = Logs::start();
    let Some(nats) = Nats::start("max_payload: 50000") else { return };
    let broker = Broker::Nats(nats);
    let (a, b) = pair(&broker).await;
    let (mut local, _) = connect(&a, "jerry", "lobby").await;
    let (mut remote, _) = connect(&b, "tom", "lobby").await;
    let room = hub(&a).room::<Room>("lobby");
    let (fits, large) = ("f".repeat(49_000), "l".repeat(50_000));
    let delivery = room.in_turns().push(&*large).await;
    assert_eq!((delivery.sent, delivery.remote), (1, Remote::NotSent(NotSent::TooLarge)));
    assert!(logs.have(&["ERROR", "the broker refused a message", "50000 bytes (`max_payload`)"]));
    assert_eq!(room.in_turns().push(&*fits).await.remote, Remote::Accepted);
    expect(&mut local, &large).await;
    expect(&mut local, &fits).await;
    expect(&mut remote, &fits).await;
    let stats = hub(&a).cluster().stats();
    assert_eq!((stats.dropped, stats.reconnects), (1, 0));
}

#[tokio::test]
async fn the_longest_names_fit_into_a_line_of_the_protocol() {
    let Some(broker) = Broker::nats() else { return };
    let longest = |settings: &mut Cluster| settings.prefix = "p".repeat(64);
    let (a, b) = pair_with(&broker, longest).await;
    let name = "章".repeat(85);
    let (mut client, conn) = connect_plain(&b).await;
    conn.identify(&*name).unwrap();
    assert_eq!(conn.join_confirmed(&*name).await, Ok(Reach::Cluster));
    hub(&a).room::<crate::nodes::Plain>(&*name).push("to the room");
    expect(&mut client, "to the room").await;
    hub(&a).user(&*name).push("to the user");
    expect(&mut client, "to the user").await;
    assert_eq!(hub(&b).cluster().stats().reconnects, 0);
}

#[tokio::test]
async fn repeated_messages_are_counted_and_not_delivered() {
    let Some(broker) = Broker::nats() else { return };
    let (a, b) = pair(&broker).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    let stranger = stranger(server(&broker)).await;
    let subject = format!("{}.1.g.*.r.Room.lobby", server(&broker).prefix);
    let mut messages = stranger.subscribe(subject).await.unwrap();
    let room = hub(&a).room::<Room>("lobby");
    // The subscription of the stranger is not confirmed.
    let mut sent = 0;
    let message = loop {
        room.push("once");
        sent += 1;
        if let Ok(Some(message)) = tokio::time::timeout(Duration::from_millis(20), messages.next()).await {
            break message;
        }
    };
    for _ in 0..3 {
        stranger.publish(message.subject.clone(), message.payload.clone()).await.unwrap();
    }
    let duplicates = || hub(&b).cluster().stats().duplicates;
    eventually("they are counted", || duplicates() == 3).await;
    room.push("marker");
    for _ in 0..sent {
        expect(&mut client, "once").await;
    }
    expect(&mut client, "marker").await;
}

#[tokio::test]
async fn messages_of_unknown_clients_are_counted_and_ignored() {
    let Some(broker) = Broker::nats() else { return };
    let (a, b) = pair(&broker).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    let stranger = stranger(server(&broker)).await;
    let prefix = &server(&broker).prefix;
    // The bucket of the room is one of these. Other subjects in it are not for this node.
    let buckets = (0..4096).map(|bucket| format!("g.{bucket}.r.Room.lobby"));
    let others = (0..4096).flat_map(|bucket| [format!("g.{bucket}.%"), format!("g.{bucket}.r..x.y")]);
    for subject in others {
        stranger.publish(format!("{prefix}.1.{subject}"), "x".into()).await.unwrap();
    }
    let mut sent = 0;
    for subject in ["nodes", "all", "c.Room"].map(str::to_owned).into_iter().chain(buckets) {
        let is_bucket = subject.starts_with("g.");
        // A head that announces more bytes than follow, of a node that does not exist.
        let head = [&[1, 2, 0, 0, 0, 0, 1, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, sent][..], &[255; 4]].concat();
        for message in [b"".to_vec(), b"x".to_vec(), vec![0; 7], vec![255; 100], head] {
            stranger.publish(format!("{prefix}.1.{subject}"), message.into()).await.unwrap();
            sent += u8::from(!is_bucket);
        }
    }
    // Five to the room, in its bucket.
    let malformed = || hub(&b).cluster().stats().malformed;
    eventually("they are counted", || malformed() == u64::from(sent) + 5).await;
    assert_eq!(hub(&b).cluster().state(), ClusterState::Up);
    assert_eq!(hub(&b).cluster().nodes().len(), 2);
    hub(&a).room::<Room>("lobby").push("the next");
    expect(&mut client, "the next").await;
    assert_eq!(malformed(), u64::from(sent) + 5);
}
