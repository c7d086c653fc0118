//! A node in a process of its own that is killed, over a real Redis.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use tokio::time::Instant;
use ws_core::{
    config::{BrokerKind, Cluster},
    testing::TestApp,
};

use crate::{
    brokers::{Broker, config, eventually},
    nodes::{app, connect, hub, node},
    rules::presence::{List, members},
};

/// The variable with the address and the prefix of the other process.
const JOINS: &str = "WS_TESTS_JOINS";
const HEARTBEAT: Duration = Duration::from_millis(200);
const NODE_TIMEOUT: Duration = Duration::from_secs(1);

fn fast(settings: &mut Cluster) {
    settings.heartbeat = HEARTBEAT;
    settings.node_timeout = NODE_TIMEOUT;
}

/// The other process. It ends with its parent, which kills it.
#[tokio::test]
#[ignore = "it is started by the test that kills it"]
async fn the_process_that_is_killed() {
    let Ok(joins) = std::env::var(JOINS) else { return };
    let (url, prefix) = joins.split_once(' ').unwrap();
    let mut settings = Cluster::new(BrokerKind::Redis, url);
    prefix.clone_into(&mut settings.prefix);
    settings.name = Some("killed".to_owned());
    fast(&mut settings);
    let node = TestApp::start(app().config(config(settings))).await;
    let mut clients = Vec::new();
    for user in ["jerry", "spike"] {
        clients.push(connect(&node, user, "lobby").await);
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn the_members_of_a_killed_process_leave_within_node_timeout_and_a_second() {
    let Some(Broker::Redis(redis)) = Broker::redis() else { return };
    let joins = format!("redis://127.0.0.1:{} {}", redis.port, redis.settings().prefix);
    let broker = Broker::Redis(redis);
    let a = node(&broker, "a", app(), fast).await;
    let (_client, own) = connect(&a, "tom", "lobby").await;
    let mut list = List::new(members(&a));
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::the_process_that_is_killed", "--ignored"])
        .env(JOINS, joins)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the other members are there", || list.0.current().len() == 3).await;
    let all: Vec<_> = list.0.current().iter().map(|member| member.id).collect();
    assert_eq!(list.becomes(&all).await, 2);
    eventually("the nodes know each other", || hub(&a).cluster().nodes().len() == 2).await;
    child.kill().unwrap();
    let killed = Instant::now();
    child.wait().unwrap();
    assert_eq!(list.becomes(&[own.id()]).await, 2);
    let after = killed.elapsed();
    assert!(after >= NODE_TIMEOUT - HEARTBEAT * 2, "{after:?}");
    assert!(after <= NODE_TIMEOUT + Duration::from_secs(1), "{after:?}");
    list.stays().await;
}
