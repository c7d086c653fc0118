//! The node of `growth`: every binary message goes to all connections, or to those of one room. It
//! stops on SIGTERM.

use anyhow::{Context as _, ensure};
use ws_core::{App, Config, Connection, Controller, Message, Result, app::ShutdownReport};

use super::{PATH, SERVER, announce, config};
use crate::{
    growth::{ALLOCATED, HEARTBEAT, JOIN, TARGET, TO_ROOM},
    heap,
};

/// More connections than are opened.
const CONNECTIONS: usize = 200_000;

const ROOM: &str = "room";

/// The defaults beside the limit of connections and the heartbeat, which is short, so that its cost
/// can be measured.
pub(super) fn growth_config() -> Config {
    let mut config = config();
    for server in &mut config.servers {
        server.limits.connections = CONNECTIONS;
        server.heartbeat.interval = Some(HEARTBEAT);
    }
    config
}

pub(super) fn app() -> App {
    App::without_registry().controller(PATH, Crowd).config(growth_config())
}

pub(crate) async fn run() -> anyhow::Result<()> {
    let running = app().start().await?;
    announce(running.local_addr(SERVER).context("it is not bound")?)?;
    check(running.run_until_signal().await)
}

/// Fails if a connection was not closed cleanly.
pub(super) fn check(report: ShutdownReport) -> anyhow::Result<()> {
    ensure!(report.lost == 0 && report.cut == 0, "not all connections were closed cleanly: {report:?}");
    Ok(())
}

struct Crowd;

impl Controller for Crowd {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        if message.as_text() == Some(ALLOCATED) {
            let allocated = heap::allocated().map(|bytes| bytes.to_string());
            return Ok(conn.push(allocated.unwrap_or_default())?);
        }
        if message.as_text() == Some(JOIN) {
            conn.join(ROOM)?;
            return Ok(conn.push(JOIN)?);
        }
        let hub = conn.hub();
        if message.as_bytes().get(TARGET) == Some(&TO_ROOM) {
            hub.room::<Self>(ROOM).in_turns().push(message).await;
        } else {
            hub.all().in_turns().push(message).await;
        }
        Ok(())
    }
}
