//! Rules that need a real NATS server.

mod access;
mod buckets;
mod faults;
mod tls;

use async_nats::Client;
use ws_core::{config::Cluster, hub::ClusterState, testing::TestApp};

use crate::{
    brokers::{Broker, Nats, config, eventually},
    nodes::{app, hub},
};

/// Starts a node, and does not wait until it has joined.
async fn start(settings: Cluster) -> TestApp {
    TestApp::start(app().config(config(settings))).await
}

/// Starts a node, and waits until it has joined.
async fn joined(settings: Cluster) -> TestApp {
    let node = start(settings).await;
    wait_until_up(&node).await;
    node
}

async fn wait_until_up(node: &TestApp) {
    let cluster = hub(node).cluster();
    eventually("the link is up", || cluster.state() == ClusterState::Up).await;
}

async fn wait_until_down(node: &TestApp) {
    let cluster = hub(node).cluster();
    eventually("the link ends", || matches!(cluster.state(), ClusterState::Down { .. })).await;
}

fn server(broker: &Broker) -> &Nats {
    match broker {
        Broker::Nats(nats) => nats,
        Broker::Memory(_) | Broker::Redis(_) => panic!("not a NATS server"),
    }
}

/// A client of the server that is not a node.
async fn stranger(nats: &Nats) -> Client {
    async_nats::connect(format!("nats://127.0.0.1:{}", nats.port)).await.unwrap()
}
