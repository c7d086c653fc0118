//! A node of a cluster: rooms that members join by a message, and to which all other messages go.

use anyhow::Context as _;
use ws_core::{
    App, Config, Connection, Controller, Message, Result,
    config::{BrokerKind, Cluster},
    hub::ClusterState,
};

use super::{PATH, SERVER, announce, config};
use crate::cluster::{JOIN, JOIN_MANY, JOINED, LOBBY, STATE};

/// More messages than the load has under way, so that no outbox refuses one.
const OUTBOX_MESSAGES: usize = 8192;
const OUTBOX_BYTES: usize = 16 << 20;

/// More rooms than a connection of the load joins.
const ROOMS: usize = 128;

pub(crate) async fn run(broker: Option<String>) -> anyhow::Result<()> {
    let app = App::without_registry().controller(PATH, Node).config(node_config(broker));
    let running = app.start().await?;
    let mut changes = running.hub().cluster().changes();
    while running.hub().cluster().state() == ClusterState::Joining {
        changes.next().await;
    }
    announce(running.local_addr(SERVER).context("it is not bound")?)?;
    std::future::pending().await
}

/// The defaults beside the limits that this load would exceed.
fn node_config(broker: Option<String>) -> Config {
    let mut config = config();
    for server in &mut config.servers {
        server.limits.outbox_messages = OUTBOX_MESSAGES;
        server.limits.outbox_bytes = OUTBOX_BYTES;
        server.limits.rooms = ROOMS;
    }
    config.cluster = broker.map(|url| Cluster::new(BrokerKind::Redis, url));
    config
}

struct Node;

impl Controller for Node {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        let text = message.as_text().unwrap_or_default();
        if text == JOIN {
            conn.join_confirmed(LOBBY).await?;
            conn.push(JOINED)?;
        } else if let Some(numbers) = text.strip_prefix(JOIN_MANY) {
            let (from, to) = numbers.split_once(' ').ok_or("two numbers are expected")?;
            for number in from.parse::<usize>()?..to.parse()? {
                conn.join(format!("room-{number:06}"))?;
            }
            conn.push(JOINED)?;
        } else if text == STATE {
            let cluster = conn.hub().cluster();
            conn.push(format!("{:?} {}", cluster.state(), cluster.stats().subscriptions))?;
        } else {
            conn.hub().room::<Self>(LOBBY).push(message);
        }
        Ok(())
    }
}
