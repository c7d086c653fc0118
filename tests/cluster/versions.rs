//! Nodes that use other versions of the format between nodes, as in a rolling deploy.

use ws_core::hub::{ClusterChange, ClusterChanges, ClusterState};

use crate::{
    brokers::{Broker, eventually, soon},
    foreign::{ALIVE, Foreign, PUSH, UNKNOWN},
    nodes::{Room, connect, expect, hub, pair},
};

/// Connects a node of another version. Its heartbeats end with bytes that a newer version has
/// added.
async fn foreign(broker: &Broker, id: u32, versions: (u8, u8)) -> Foreign {
    let (url, prefix) = match broker {
        Broker::Redis(redis) => (format!("redis://127.0.0.1:{}", redis.port), redis.settings().prefix),
        Broker::Nats(nats) => (format!("nats://127.0.0.1:{}", nats.port), nats.prefix.clone()),
        Broker::Memory(_) => panic!("it has no other clients"),
    };
    let mut foreign = Foreign::connect(&url, &prefix, id, "newer", versions).await;
    foreign.added = ", and the field of a newer version";
    foreign
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
    let mut newer = foreign(broker, 0xf00d, (1, 2)).await;
    newer.beat(ALIVE).await;
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
    // This node continues to send messages that all nodes can read.
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
    let mut newer = foreign(broker, 0xf00d, (2, 3)).await;
    // The link of the other node is replaced meanwhile.
    for link in 1..4 {
        newer.link = link;
        newer.beat(ALIVE).await;
        newer.push(2, PUSH, "in a version that this node does not read").await;
    }
    let mut older = foreign(broker, 0xbeef, (0, 0)).await;
    older.beat(ALIVE).await;
    older.beat(ALIVE).await;
    let malformed = || hub(&b).cluster().stats().malformed;
    eventually("the messages are counted", || malformed() == 3).await;
    // A compatible node is reported last.
    let mut same = foreign(broker, 0xcafe, (1, 1)).await;
    same.beat(ALIVE).await;
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
