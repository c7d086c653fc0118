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
    node::{Ask, alone},
};

const HEARTBEAT: Duration = Duration::from_millis(300);
/// The bytes of a message that is cut, and the place of the cut.
const LARGE: usize = 200_000;
const CUT_AT: usize = 50_000;

/// Each of them ends a link.
const FAULTS: [Fault; 6] = [
    Fault::Refuses,
    Fault::Halts(&[ToBroker, ToNode]),
    Fault::Halts(&[ToBroker]),
    Fault::Halts(&[ToNode]),
    Fault::Cuts(ToBroker, CUT_AT),
    Fault::Cuts(ToNode, CUT_AT),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_of_the_network_is_detected_and_reported_and_heals_without_duplicates() {
    let _alone = alone().await;
    over_both(async |broker| {
        let proxy = Proxy::start(server(&broker).port).await;
        let direct = settings(&broker, server(&broker).port, HEARTBEAT);
        let through = settings(&broker, proxy.port, HEARTBEAT);
        let nodes = nodes(&[("a", &direct), ("b", &through)]).await;
        let mut talk = Talk::start(kind(&broker), &nodes).await;
        let mut watcher = nodes[1].watch().await;
        for (number, fault) in FAULTS.into_iter().enumerate() {
            let mut guest = nodes[1].connect().await;
            let room = format!("joined during fault {number}");
            let joined = endure(fault, &proxy, &mut talk, &mut watcher, async || {
                guest.ask(&Ask::Join(vec![room.clone()])).await
            });
            if let Some(joined) = joined.await {
                assert_eq!(joined, "joined 0", "{}: {fault:?}", kind(&broker));
                // Groups that were joined during the fault are subscribed when the link is up.
                assert_eq!(talk.member(0).say(&room, "welcome").await, "Queued");
                assert_eq!(guest.message().await, "welcome", "{}: {fault:?}", kind(&broker));
            }
        }
        talk.check().await;
        for node in &nodes {
            let stats = node.connect().await.stats().await;
            assert_eq!((stats.duplicates, stats.malformed), (0, 0), "{}", kind(&broker));
        }
    })
    .await;
}

/// Lets the members talk during a fault, until it has healed. Returns the result of the future that
/// runs while the node has no link.
async fn endure(
    fault: Fault,
    proxy: &Proxy,
    talk: &mut Talk,
    watcher: &mut Client,
    meanwhile: impl AsyncFnOnce() -> String,
) -> Option<String> {
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
    // After a cut there is a link again soon.
    let done = if let Fault::Cuts(..) = fault { None } else { Some(meanwhile().await) };
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
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_messages_of_a_replaced_link_are_dropped() {
    let _alone = alone().await;
    over_both(async |broker| {
        let of = kind(&broker);
        let proxy = Proxy::start(server(&broker).port).await;
        let direct = settings(&broker, server(&broker).port, HEARTBEAT);
        let through = settings(&broker, proxy.port, HEARTBEAT);
        let nodes = nodes(&[("a", &direct), ("b", &through)]).await;
        let mut talk = Talk::start(of, &nodes).await;
        let mut watcher = nodes[1].watch().await;
        talk.meet().await;
        let missed = talk.said();
        proxy.set(Fault::HaltsOld);
        for change in ["Down", "Up", "Gap"] {
            talk.say_until(&mut watcher, change).await;
        }
        talk.missed_since(missed);
        // The other node has received messages of the new link.
        talk.meet().await;
        let mut other = nodes[0].connect().await;
        assert_eq!(other.stats().await.late, 0, "{of}");
        proxy.set(Fault::None);
        within("the late messages arrive", async {
            while other.stats().await.late == 0 {
                talk.say().await;
            }
        })
        .await;
        talk.say_for(Duration::from_millis(200)).await;
        talk.check().await;
        let unknown = nodes[1].connect().await.stats().await.unknown;
        let (late, duplicates) = (other.stats().await.late, other.stats().await.duplicates);
        assert!(late <= unknown, "{of}: {late} late messages, but {unknown} without an outcome");
        assert_eq!(duplicates, 0, "{of}");
    })
    .await;
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

/// Starts a replica of a Redis, or another NATS server, and waits until it is ready.
async fn second(first: &Broker) -> Broker {
    match first {
        Broker::Redis(redis) => {
            let primary = format!("127.0.0.1 {}", redis.port);
            // Otherwise it writes the copy of the primary into the working directory.
            let options = ["--replicaof", &primary, "--repl-diskless-load", "on-empty-db"];
            let replica = Redis::start(&options).unwrap();
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
    let answer: redis::Value = sent.query_async(&mut connection).await.unwrap();
    redis::from_redis_value(answer).unwrap()
}

/// The end of the first server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failover {
    IsKilled,
    /// It becomes a replica, and ends its connections, as a Sentinel does it.
    IsDemoted,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_moves_to_a_promoted_replica_costs_a_reported_gap_and_no_duplicates() {
    let _alone = alone().await;
    let redis = || {
        Redis::start(&["--repl-diskless-sync-delay", "0", "--repl-diskless-load", "on-empty-db"])
            .map(Broker::Redis)
    };
    over(redis(), Broker::nats(), async |first| moves(&first, Failover::IsKilled).await).await;
    over(redis(), None, async |first| moves(&first, Failover::IsDemoted).await).await;
}

async fn moves(first: &Broker, failover: Failover) {
    let of = kind(first);
    let second = second(first).await;
    let proxy = Proxy::start(server(first).port).await;
    let settings = settings(first, proxy.port, HEARTBEAT);
    let nodes = nodes(&[("a", &settings), ("b", &settings)]).await;
    let mut talk = Talk::start(of, &nodes).await;
    let mut watchers = [nodes[0].watch().await, nodes[1].watch().await];
    talk.say_for(Duration::from_millis(300)).await;
    talk.meet().await;
    let missed = talk.said();
    let (from, to) = (server(first).port, server(&second).port);
    if let Failover::IsKilled = failover {
        first.stop();
        for watcher in &mut watchers {
            talk.say_until(watcher, "Down").await;
        }
    }
    if let Broker::Redis(_) = second {
        assert_eq!(query(to, &["REPLICAOF", "NO", "ONE"]).await, "OK");
    }
    proxy.switch(to);
    if let Failover::IsDemoted = failover {
        query(from, &["REPLICAOF", "127.0.0.1", &to.to_string()]).await;
        for kind in ["pubsub", "normal"] {
            query(from, &["CLIENT", "KILL", "TYPE", kind]).await;
        }
    }
    for watcher in &mut watchers {
        talk.say_until(watcher, "Up").await;
        talk.say_until(watcher, "Gap").await;
    }
    talk.missed_since(missed);
    talk.say_for(Duration::from_millis(300)).await;
    talk.check().await;
    for node in &nodes {
        assert_eq!(node.connect().await.stats().await.duplicates, 0, "{of}: {failover:?}");
    }
}
