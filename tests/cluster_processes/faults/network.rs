//! Faults of the network between one node and the broker, and an address that moves to another
//! server.

use std::time::{Duration, Instant};

use super::{
    both::{kind, nodes, over, over_both, server, settings},
    proxy::{
        Fault, Proxy,
        Way::{ToBroker, ToNode},
    },
    talk::{ROOM, Talk},
};
use crate::{
    brokers::{Broker, Redis},
    client::{Client, within},
    node::alone,
};

const HEARTBEAT: Duration = Duration::from_millis(200);
/// The bytes of a message that is cut, and the place of the cut.
const LARGE: usize = 200_000;
const CUT_AT: usize = 50_000;

/// Each costs a link.
const FAULTS: [Fault; 6] = [
    Fault::Refuses,
    Fault::Halts(&[ToBroker, ToNode]),
    Fault::Halts(&[ToBroker]),
    Fault::Halts(&[ToNode]),
    Fault::Cuts(ToBroker, CUT_AT),
    Fault::Cuts(ToNode, CUT_AT),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_of_the_network_is_noticed_and_reported_and_heals_without_doubles() {
    let _alone = alone().await;
    over_both(async |broker| {
        let proxy = Proxy::start(server(&broker).port).await;
        let direct = settings(&broker, server(&broker).port, HEARTBEAT);
        let through = settings(&broker, proxy.port, HEARTBEAT);
        let nodes = nodes(&[("a", &direct), ("b", &through)]).await;
        let mut talk = Talk::start(kind(&broker), &nodes).await;
        let mut watcher = nodes[1].watch().await;
        for fault in FAULTS {
            endure(fault, &proxy, &mut talk, &mut watcher).await;
        }
        talk.check().await;
        for node in &nodes {
            assert_eq!(node.connect().await.stats().await.duplicates, 0, "{}", kind(&broker));
        }
    })
    .await;
}

/// Lets the members talk while there is a fault, until it has healed.
async fn endure(fault: Fault, proxy: &Proxy, talk: &mut Talk, watcher: &mut Client) {
    talk.say_for(Duration::from_millis(100)).await;
    talk.meet().await;
    let missed = talk.said();
    proxy.set(fault);
    let began = Instant::now();
    if let Fault::Cuts(way, _) = fault {
        let sender = if way == ToBroker { 1 } else { 0 };
        assert_eq!(talk.member(sender).say(ROOM, &"x".repeat(LARGE)).await, "Queued");
    }
    talk.say_until(watcher, "Down").await;
    let noticed = began.elapsed();
    // The last part is for a busy machine.
    assert!(noticed < HEARTBEAT * 3 + Duration::from_secs(2), "{fault:?}: {noticed:?}");
    talk.say_for(Duration::from_millis(300)).await;
    proxy.set(Fault::None);
    let gone = Instant::now();
    talk.say_until(watcher, "Up").await;
    let healed = gone.elapsed();
    // The pause before a new connection has doubled at most a few times.
    assert!(healed < Duration::from_secs(4), "{fault:?}: {healed:?}");
    let gap = talk.say_until(watcher, "Gap").await;
    assert!(gap.contains("at_most"), "{fault:?}: {gap}");
    talk.missed_since(missed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_network_delays_messages_and_loses_none() {
    let _alone = alone().await;
    over_both(async |broker| {
        let proxy = Proxy::start(server(&broker).port).await;
        let direct = settings(&broker, server(&broker).port, HEARTBEAT * 5);
        let through = settings(&broker, proxy.port, HEARTBEAT * 5);
        let nodes = nodes(&[("a", &direct), ("b", &through)]).await;
        let mut talk = Talk::start(kind(&broker), &nodes).await;
        let mut watcher = nodes[1].watch().await;
        proxy.set(Fault::Delays(Duration::from_millis(50)));
        talk.say_for(Duration::from_secs(1)).await;
        talk.check().await;
        assert_eq!(watcher.arrived_answer_with(""), None, "{}", kind(&broker));
    })
    .await;
}

/// Starts a replica of a Redis, or another NATS server, and waits until it is there.
async fn second(first: &Broker) -> Broker {
    match first {
        Broker::Redis(redis) => {
            let primary = format!("127.0.0.1 {}", redis.port);
            let replica =
                Redis::start(&["--replicaof", &primary, "--repl-diskless-sync-delay", "0"]).unwrap();
            within("the replica is linked", async {
                while !query(replica.port, &["INFO", "replication"]).await.contains("master_link_status:up") {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
            .await;
            Broker::Redis(replica)
        }
        _ => Broker::nats().unwrap(),
    }
}

/// Sends a command to a Redis.
async fn query(port: u16, command: &[&str]) -> String {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut sent = redis::cmd(command[0]);
    command[1..].iter().for_each(|argument| {
        sent.arg(argument);
    });
    sent.query_async(&mut connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_moves_to_a_promoted_replica_costs_a_reported_gap_and_no_doubles() {
    let _alone = alone().await;
    let redis = Redis::start(&["--repl-diskless-sync-delay", "0"]).map(Broker::Redis);
    over(redis, Broker::nats(), async |primary| {
        let of = kind(&primary);
        let replica = second(&primary).await;
        let proxy = Proxy::start(server(&primary).port).await;
        let settings = settings(&primary, proxy.port, HEARTBEAT);
        let nodes = nodes(&[("a", &settings), ("b", &settings)]).await;
        let mut talk = Talk::start(of, &nodes).await;
        let mut watchers = [nodes[0].watch().await, nodes[1].watch().await];
        talk.say_for(Duration::from_millis(300)).await;
        talk.meet().await;
        let missed = talk.said();
        primary.stop();
        for watcher in &mut watchers {
            talk.say_until(watcher, "Down").await;
        }
        if let Broker::Redis(replica) = &replica {
            assert_eq!(query(replica.port, &["REPLICAOF", "NO", "ONE"]).await, "OK");
        }
        proxy.switch(server(&replica).port);
        for watcher in &mut watchers {
            talk.say_until(watcher, "Up").await;
            talk.say_until(watcher, "Gap").await;
        }
        talk.missed_since(missed);
        talk.say_for(Duration::from_millis(300)).await;
        talk.check().await;
        for node in &nodes {
            assert_eq!(node.connect().await.stats().await.duplicates, 0, "{of}");
        }
    })
    .await;
}
