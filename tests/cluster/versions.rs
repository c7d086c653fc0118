//! Nodes of other versions of the format between nodes: deploys roll.

use async_nats::Client;
use redis::aio::MultiplexedConnection;
use ws_core::hub::{ClusterChange, ClusterChanges, ClusterState};

use crate::{
    brokers::{Broker, eventually, soon},
    nodes::{Room, connect, expect, hub, pair},
};

/// A node of another version, which publishes and receives nothing.
struct Foreign {
    publisher: Publisher,
    prefix: String,
    id: u32,
    link: u32,
    sequence: u64,
}

enum Publisher {
    Redis(MultiplexedConnection),
    Nats(Client),
}

/// The kinds of a message in version 1.
const BEAT: u8 = 1;
const PUSH: u8 = 2;
const UNKNOWN: u8 = 200;

impl Foreign {
    async fn new(broker: &Broker, id: u32) -> Self {
        let (publisher, prefix) = match broker {
            Broker::Redis(redis) => {
                let client = redis::Client::open(format!("redis://127.0.0.1:{}", redis.port)).unwrap();
                let connection = client.get_multiplexed_async_connection().await.unwrap();
                (Publisher::Redis(connection), redis.settings().prefix)
            }
            Broker::Nats(nats) => {
                let client = async_nats::connect(format!("nats://127.0.0.1:{}", nats.port)).await.unwrap();
                (Publisher::Nats(client), nats.prefix.clone())
            }
            Broker::Memory(_) => panic!("it has no other clients"),
        };
        Self { publisher, prefix, id, link: 1, sequence: 0 }
    }

    async fn publish(&self, channel: &str, message: Vec<u8>) {
        let prefix = &self.prefix;
        match &self.publisher {
            Publisher::Redis(connection) => {
                let mut command = redis::cmd("PUBLISH");
                command.arg(format!("{prefix}:1:{channel}")).arg(message);
                let receivers = command.query_async::<i64>(&mut connection.clone()).await;
                assert!(receivers.unwrap() > 0, "nobody listens to {channel}");
            }
            Publisher::Nats(client) => {
                client.publish(format!("{prefix}.1.{channel}"), message.into()).await.unwrap();
            }
        }
    }

    fn head(&mut self, version: u8, kind: u8) -> Vec<u8> {
        self.sequence += 1;
        let mut head = vec![version, kind, 0];
        head.extend(self.link.to_be_bytes());
        head.extend(self.id.to_be_bytes());
        head.extend(self.sequence.to_be_bytes());
        head
    }

    /// Publishes a heartbeat that announces the versions that the node reads. Bytes after its end
    /// are those that a newer version may add.
    async fn beat(&mut self, oldest: u8, newest: u8) {
        let mut beat = self.head(0, BEAT);
        beat.extend(u64::from(self.id).to_be_bytes());
        beat.extend([oldest, newest]);
        beat.extend(3_u64.to_be_bytes());
        beat.extend([0, 5]);
        beat.extend(b"newer, and what a newer version adds");
        self.publish("nodes", beat).await;
    }

    /// Publishes a message to all connections, with this text in the form of version 1.
    async fn push(&mut self, version: u8, kind: u8, text: &str) {
        let mut message = self.head(version, kind);
        // Nobody is excepted; one frame for all formats; the whole frame of a text.
        message.extend([0, 0, 1, 0]);
        message.extend((2 + text.len() as u32).to_be_bytes());
        message.extend([0x81, text.len() as u8]);
        message.extend(text.bytes());
        self.publish("all", message).await;
    }
}

/// Waits for the next report about nodes.
async fn next(changes: &mut ClusterChanges) -> ClusterChange {
    soon(changes.next()).await.unwrap()
}

async fn a_node_that_also_reads_newer_versions_is_a_node_and_its_newer_messages_are_counted_and_skipped(
    broker: &Broker,
) {
    let (a, b) = pair(broker).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    let mut changes = hub(&b).cluster().changes();
    let mut newer = Foreign::new(broker, 0xf00d).await;
    newer.beat(1, 2).await;
    let joined = next(&mut changes).await;
    assert!(matches!(&joined, ClusterChange::NodeJoined { name, .. } if name == "newer"), "{joined:?}");
    let nodes = hub(&b).cluster().nodes();
    let node = nodes.iter().find(|node| node.name == "newer").unwrap();
    assert_eq!((node.versions, node.connections), ((1, 2), 3));

    newer.push(1, PUSH, "in the common version").await;
    newer.push(2, PUSH, "in a newer version").await;
    newer.push(1, UNKNOWN, "of an unknown kind").await;
    newer.push(0, PUSH, "a kind that the version of heartbeats does not have").await;
    newer.push(u8::MAX, UNKNOWN, "of both").await;
    newer.push(1, PUSH, "again in the common version").await;
    expect(&mut client, "in the common version").await;
    expect(&mut client, "again in the common version").await;
    assert_eq!(hub(&b).cluster().stats().malformed, 4);
    // This node goes on to send what all nodes read.
    hub(&a).room::<Room>("lobby").push("from a node of this version");
    expect(&mut client, "from a node of this version").await;
    assert_eq!(hub(&b).cluster().nodes().len(), 3);
    assert_eq!(hub(&b).cluster().state(), ClusterState::Up);
    assert_eq!(hub(&b).cluster().stats().reconnects, 0);
}

async fn a_node_without_a_common_version_is_reported_once_and_its_messages_are_ignored(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    let mut changes = hub(&b).cluster().changes();
    let mut newer = Foreign::new(broker, 0xf00d).await;
    // The link of the other node is replaced meanwhile.
    for link in 1..4 {
        newer.link = link;
        newer.beat(2, 3).await;
        newer.push(2, PUSH, "in a version that this node does not read").await;
    }
    let mut older = Foreign::new(broker, 0xbeef).await;
    older.beat(0, 0).await;
    older.beat(0, 0).await;
    let malformed = || hub(&b).cluster().stats().malformed;
    eventually("the messages are counted", || malformed() == 3).await;
    // A node that is compatible is the last to be reported.
    let mut same = Foreign::new(broker, 0xcafe).await;
    same.beat(1, 1).await;
    let mut reported = Vec::new();
    loop {
        match next(&mut changes).await {
            ClusterChange::Incompatible { id, .. } => reported.push(id.to_string()),
            ClusterChange::NodeJoined { id, .. } => break assert_eq!(id.to_string(), "0000cafe"),
            other => panic!("{other:?}"),
        }
    }
    reported.sort();
    assert_eq!(reported, ["0000beef", "0000f00d"]);
    assert_eq!(hub(&b).cluster().nodes().len(), 3);
    hub(&a).room::<Room>("lobby").push("the first");
    expect(&mut client, "the first").await;
}

/// Runs tests over the brokers that have other clients.
macro_rules! over_both {
    ($($name:ident),+ $(,)?) => {
        mod redis_server {
            $(#[tokio::test]
            async fn $name() {
                if let Some(broker) = crate::brokers::Broker::redis() {
                    super::$name(&broker).await;
                }
            })+
        }
        mod nats_server {
            $(#[tokio::test]
            async fn $name() {
                if let Some(broker) = crate::brokers::Broker::nats() {
                    super::$name(&broker).await;
                }
            })+
        }
    };
}

over_both! {
    a_node_that_also_reads_newer_versions_is_a_node_and_its_newer_messages_are_counted_and_skipped,
    a_node_without_a_common_version_is_reported_once_and_its_messages_are_ignored,
}
