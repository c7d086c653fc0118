//! The same test over both brokers at once.

use std::time::Duration;

use crate::{
    brokers::{Broker, Server},
    node::{Process, Settings},
};

/// The minutes of churn and of random faults in the long form of the tests, if it was asked for.
pub(super) fn long_minutes() -> Option<f64> {
    let minutes = std::env::var("WS_TESTS_LONG_FAULTS").ok()?;
    Some(minutes.parse().expect("WS_TESTS_LONG_FAULTS is a number of minutes"))
}

/// Runs a test over Redis and over NATS at the same time, because the tests mostly wait.
pub(super) async fn over_both(test: impl AsyncFn(Broker)) {
    over(Broker::redis(), Broker::nats(), test).await;
}

/// Runs a test over these brokers at the same time.
pub(super) async fn over(redis: Option<Broker>, nats: Option<Broker>, test: impl AsyncFn(Broker)) {
    let run = async |broker: Option<Broker>| {
        if let Some(broker) = broker {
            test(broker).await;
        }
    };
    tokio::join!(run(redis), run(nats));
}

pub(super) fn server(broker: &Broker) -> &Server {
    match broker {
        Broker::Redis(redis) => redis,
        Broker::Nats(nats) => nats,
        Broker::Memory(_) => panic!("it has no process"),
    }
}

pub(super) fn kind(broker: &Broker) -> &'static str {
    match broker {
        Broker::Redis(_) => "redis",
        Broker::Nats(_) => "nats",
        Broker::Memory(_) => panic!("it has no process"),
    }
}

/// The settings of a node that reaches the broker at this port.
pub(super) fn settings(broker: &Broker, port: u16, heartbeat: Duration) -> Settings {
    let kind = kind(broker);
    let url = format!("{kind}://127.0.0.1:{port}");
    let node_timeout = heartbeat * 5;
    Settings { kind, url, prefix: "faults".into(), heartbeat, node_timeout, clock: None }
}

/// Starts nodes with these settings, and waits until they know each other.
pub(super) async fn nodes(of: &[(&str, &Settings)]) -> Vec<Process> {
    let mut nodes = Vec::new();
    for (name, settings) in of {
        nodes.push(Process::start_with(settings, name).await);
    }
    for node in &nodes {
        node.knows(of.len()).await;
    }
    nodes
}
