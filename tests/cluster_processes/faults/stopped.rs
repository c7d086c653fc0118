//! A broker whose process is stopped for a time, and then continues with the received commands.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

use super::{
    both::{kind, long_minutes, nodes, over_both, server, settings},
    talk::{ROOM, Talk},
};
use crate::{
    brokers::Broker,
    client::{Client, numbers},
    node::{Ask, alone},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_broker_is_stopped_for_less_than_three_heartbeats_messages_are_late_and_not_lost() {
    let _alone = alone().await;
    over_both(async |broker| {
        let settings = settings(&broker, server(&broker).port, Duration::from_secs(2));
        let nodes = nodes(&[("a", &settings), ("b", &settings)]).await;
        let mut talk = Talk::start(kind(&broker), &nodes).await;
        let mut watchers = [nodes[0].watch().await, nodes[1].watch().await];
        talk.say_for(Duration::from_millis(200)).await;
        talk.meet().await;
        server(&broker).signal("-STOP");
        talk.say_for(Duration::from_secs(1)).await;
        server(&broker).signal("-CONT");
        talk.say_for(Duration::from_millis(200)).await;
        talk.check().await;
        for watcher in &mut watchers {
            assert_eq!(watcher.arrived_answer_with(""), None, "{}", kind(&broker));
        }
    })
    .await;
}

/// A client that publishes one number after the other, and keeps the outcomes.
struct Publisher {
    outcomes: Arc<Mutex<Vec<String>>>,
    ends: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Publisher {
    fn start(mut client: Client) -> Self {
        let (outcomes, ends): (Arc<Mutex<Vec<String>>>, Arc<AtomicBool>) = Default::default();
        let (into, is_over) = (Arc::clone(&outcomes), Arc::clone(&ends));
        let task = tokio::spawn(async move {
            for number in 0.. {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let (room, text) = (ROOM.into(), format!("p {number}"));
                let outcome = client.ask(&Ask::Publish { room, text }).await;
                into.lock().unwrap().push(outcome);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        Self { outcomes, ends, task }
    }

    /// The numbers with an outcome are those below this one.
    fn published(&self) -> usize {
        self.outcomes.lock().unwrap().len()
    }

    async fn end(self) -> Vec<String> {
        self.ends.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        Arc::into_inner(self.outcomes).unwrap().into_inner().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_stop_of_a_broker_costs_a_reported_gap_and_no_duplicates() {
    let _alone = alone().await;
    over_both(async |broker| outage(&broker, Duration::from_secs(8)).await).await;
    if long_minutes().is_some() {
        over_both(async |broker| outage(&broker, Duration::from_secs(60)).await).await;
    }
}

async fn outage(broker: &Broker, time: Duration) {
    const HEARTBEAT: Duration = Duration::from_millis(300);
    let of = kind(broker);
    let settings = settings(broker, server(broker).port, HEARTBEAT);
    let nodes = nodes(&[("a", &settings), ("b", &settings)]).await;
    let mut talk = Talk::start(of, &nodes).await;
    let mut watchers = [nodes[0].watch().await, nodes[1].watch().await];
    let publisher = Publisher::start(nodes[0].connect().await);
    talk.say_for(Duration::from_millis(300)).await;
    talk.meet().await;
    let (missed, published) = (talk.said(), publisher.published());
    server(broker).signal("-STOP");
    let stopped = Instant::now();
    for watcher in &mut watchers {
        talk.say_until(watcher, "Down").await;
    }
    let noticed = stopped.elapsed();
    assert!(noticed < HEARTBEAT * 3 + Duration::from_secs(2), "{of}: {noticed:?}");
    // Messages are kept for a second, and after that refused.
    talk.say_for(Duration::from_millis(1500)).await;
    assert_eq!(talk.say().await, ["NotSent(Unreachable)"; 2], "{of}");
    talk.say_for(time.saturating_sub(stopped.elapsed())).await;
    let at_least = stopped.elapsed();
    server(broker).signal("-CONT");
    for watcher in &mut watchers {
        talk.say_until(watcher, "Up").await;
        let gap = talk.say_until(watcher, "Gap").await;
        // It is longer than some seconds, so it is printed in seconds.
        let at_most = gap.strip_prefix("Gap { at_most: ").and_then(|it| it.strip_suffix("s }")).unwrap();
        assert!(at_most.parse::<f64>().unwrap() >= at_least.as_secs_f64(), "{of}: {gap}, {at_least:?}");
    }
    talk.missed_since(missed);
    let resumed = publisher.published() + 1;
    talk.say_for(Duration::from_millis(500)).await;
    let outcomes = publisher.end().await;
    let mut client = nodes[1].connect().await;
    let received = talk.check().await;
    assert_eq!(client.stats().await.duplicates, 0, "{of}");

    let (local, remote) = (numbers(&received[0], "p"), numbers(&received[1], "p"));
    assert!(local.into_iter().eq(0..outcomes.len()), "{of}: local messages are lost");
    assert!(remote.is_sorted_by(|a, b| a < b), "{of}: twice or in another order: {remote:?}");
    assert!(outcomes.iter().any(|outcome| outcome == "Unknown"), "{of}: {outcomes:?}");
    for (number, outcome) in outcomes.iter().enumerate() {
        let is_received = remote.binary_search(&number).is_ok();
        match &**outcome {
            // Some are accepted before the other node is back.
            "Accepted" if number < published || number >= resumed => {
                assert!(is_received, "{of}: {number} was accepted and not received");
            }
            "Accepted" | "Unknown" => {}
            "NotSent(Unreachable)" => assert!(!is_received, "{of}: {number} was not sent"),
            other => panic!("{of}: {number}: {other}"),
        }
    }
}
