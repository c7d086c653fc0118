//! A node that does not read until the broker cuts it.

use std::time::Duration;

use super::{
    both::{kind, nodes, over, server, settings},
    talk::Talk,
};
use crate::{
    brokers::{Broker, Nats, Redis},
    node::{Ask, alone},
};

/// More than the buffers of the sockets and of the broker take, 10 kB each.
const MESSAGES: usize = 6000;
const BYTES: usize = 10_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_node_that_the_broker_cuts_is_gone_for_the_others_and_reports_a_gap_when_it_goes_on() {
    let _alone = alone().await;
    let redis = Redis::start(&["--client-output-buffer-limit", "pubsub", "2mb", "0", "0"]);
    let nats = Nats::start("max_payload: 1000000, max_pending: 2000000, write_deadline: \"500ms\"");
    over(redis.map(Broker::Redis), nats.map(Broker::Nats), async |broker| {
        let of = kind(&broker);
        // NATS 2.9 stops reading from the sender while it writes to the stopped node, for up to
        // `write_deadline` and a second, so the heartbeats of the sender are late.
        let mut settings = settings(&broker, server(&broker).port, Duration::from_secs(1));
        settings.node_timeout = settings.heartbeat * 3;
        let nodes = nodes(&[("a", &settings), ("b", &settings), ("c", &settings)]).await;
        let mut talk = Talk::start(of, &nodes).await;
        let mut watchers = Vec::new();
        for node in &nodes {
            watchers.push(node.watch().await);
        }
        // Only the stopped node has a member, so the others do not receive the flood.
        let (mut drowned, mut sender) = (nodes[1].connect().await, nodes[0].connect().await);
        drowned.join(&["flood"]).await;
        talk.say_for(Duration::from_millis(200)).await;
        talk.meet().await;
        let missed = talk.said();

        nodes[1].signal("-STOP");
        let (room, name, numbers) = ("flood".into(), "x".repeat(BYTES), 0..MESSAGES);
        assert_eq!(sender.ask(&Ask::Burst { room, name, numbers }).await, "done", "{of}");
        for at in [0, 2] {
            let left = talk.say_at_until(&[0, 2], &mut watchers[at], "NodeLeft").await;
            assert!(left.contains("name: \"b\"") && left.contains("died: true"), "{of}: {left}");
        }
        nodes[1].signal("-CONT");
        let [a, b, c] = &mut watchers[..] else { panic!("three watchers") };
        for change in ["Down", "Up", "Gap"] {
            talk.say_at_until(&[0, 2], b, change).await;
        }
        for watcher in [a, c] {
            let joined = talk.say_at_until(&[0, 2], watcher, "NodeJoined").await;
            assert!(joined.contains("name: \"b\""), "{of}: {joined}");
        }
        talk.missed_by(1, missed);
        talk.say_for(Duration::from_millis(200)).await;
        talk.check().await;
        let flood = crate::client::numbers(&drowned.arrived(), &"x".repeat(BYTES));
        assert!(flood.is_sorted_by(|a, b| a < b), "{of}: twice or in another order");
        assert!(flood.len() < MESSAGES, "{of}: the broker has not cut the node");
        for (at, node) in nodes.iter().enumerate() {
            assert_eq!(node.connect().await.stats().await.duplicates, 0, "{of}");
            if at != 1 {
                // The other nodes lost nothing.
                assert_eq!(watchers[at].arrived_answer_with("Gap"), None, "{of}");
            }
        }
    })
    .await;
}
