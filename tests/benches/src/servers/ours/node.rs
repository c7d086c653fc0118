//! A node of a cluster: members join rooms by a message, and all other messages go to the room.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use anyhow::Context as _;
use futures_util::future::try_join_all;
use ws_core::{
    App, Config, Connection, Controller, Hub, Message, Result,
    config::{BrokerKind, Cluster},
    connection::AskError,
    hub::{ClusterState, Members},
};

use super::{PATH, SERVER, announce, config};
use crate::{
    cluster::{ASK, FAILED, IDENTIFY, JOIN, JOIN_MANY, JOINED, LOBBY, MEMBERS, STATE, WATCH},
    stats::of_rank,
};

/// More messages than the load has in flight, so that no outbox refuses one.
const OUTBOX_MESSAGES: usize = 8192;
const OUTBOX_BYTES: usize = 16 << 20;

/// The user of the asks.
const USER: &str = "user";

/// More rooms than a connection of the load joins.
const ROOMS: usize = 128;

pub(crate) async fn run(broker: Option<String>) -> anyhow::Result<()> {
    let app = App::without_registry().controller(PATH, Node::default()).config(node_config(broker));
    let running = app.start().await?;
    let mut changes = running.hub().cluster().changes();
    while running.hub().cluster().state() == ClusterState::Joining {
        changes.next().await;
    }
    announce(running.local_addr(SERVER).context("the server is not bound")?)?;
    std::future::pending().await
}

/// The defaults, except for limits that the load would exceed.
fn node_config(broker: Option<String>) -> Config {
    let mut config = config();
    for server in &mut config.servers {
        server.limits.outbox_messages = OUTBOX_MESSAGES;
        server.limits.outbox_bytes = OUTBOX_BYTES;
        server.limits.rooms = ROOMS;
    }
    let kind = |url: &str| if url.starts_with("nats:") { BrokerKind::Nats } else { BrokerKind::Redis };
    config.cluster = broker.map(|url| Cluster::new(kind(&url), url));
    config
}

#[derive(Default)]
struct Node {
    /// The watch of the room, if one was begun.
    watch: Mutex<Option<Members>>,
}

impl Controller for Node {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        let text = message.as_text().unwrap_or_default();
        if text == JOIN {
            conn.join_confirmed(LOBBY).await?;
            conn.push(JOINED)?;
        } else if let Some(numbers) = text.strip_prefix(JOIN_MANY) {
            let (from, to) = numbers.split_once(' ').ok_or("expected two numbers")?;
            for number in from.parse::<usize>()?..to.parse()? {
                conn.join(format!("room-{number:06}"))?;
            }
            conn.push(JOINED)?;
        } else if text == STATE {
            let cluster = conn.hub().cluster();
            let stats = cluster.stats();
            conn.push(format!("{:?} {} {}", cluster.state(), stats.subscriptions, stats.reconnects))?;
        } else if text == IDENTIFY {
            conn.identify(USER)?;
            conn.push(JOINED)?;
        } else if let Some(numbers) = text.strip_prefix(ASK) {
            let (asks, at_once) = numbers.split_once(' ').ok_or("expected two numbers")?;
            match ask(&conn.hub(), asks.parse()?, at_once.parse()?).await {
                Ok(figures) => conn.push_json(&figures)?,
                Err(error) => conn.push(format!("{FAILED}{error}"))?,
            }
        } else if text == WATCH {
            let begun = Instant::now();
            let mut members = conn.hub().room::<Self>(LOBBY).members();
            members.settled().await;
            conn.push_json(&[members.now().len() as f64, begun.elapsed().as_secs_f64() * 1e3])?;
            *self.watch() = Some(members);
        } else if text == MEMBERS {
            let count = self.watch().as_ref().map(|watch| watch.current().len());
            conn.push(count.unwrap_or_default().to_string())?;
        } else {
            conn.hub().room::<Self>(LOBBY).push(message);
        }
        Ok(())
    }
}

impl Node {
    fn watch(&self) -> MutexGuard<'_, Option<Members>> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the client of the user, with this number of asks at once. Returns the times of rank 0.5 and
/// 0.99 in milliseconds, and the asks per second.
async fn ask(hub: &Hub, asks: usize, at_once: usize) -> Result<[f64; 3], AskError> {
    let begun = Instant::now();
    let lanes = (0..at_once).map(|_| async {
        let mut times = Vec::with_capacity(asks / at_once);
        for _ in 0..asks / at_once {
            let sent = Instant::now();
            let _: bool = hub.user(USER).at::<Node>().ask_event("confirm", &true).await?;
            times.push(sent.elapsed());
        }
        Ok::<_, AskError>(times)
    });
    let mut times = try_join_all(lanes).await?.concat();
    times.sort_unstable();
    let per_second = times.len() as f64 / begun.elapsed().as_secs_f64();
    Ok([of_rank(&times, 0.5), of_rank(&times, 0.99), per_second])
}
