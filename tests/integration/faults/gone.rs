//! The peer is gone without a word: no FIN, no reset, and no answer to a ping, whatever the server was doing.

use std::time::Duration;

use tokio::sync::mpsc;
use ws_core::{App, CloseReason, Connection, Controller, Message, Result};

use super::settle_in;
use crate::support::{Logs, config, start_with, until, within};

/// Sends without an end once it is asked to.
struct Pouring(mpsc::UnboundedSender<CloseReason>);

impl Controller for Pouring {
    async fn on_open(&self, conn: &Connection) -> Result {
        settle_in(conn)
    }

    async fn on_message(&self, conn: &Connection, _: Message) -> Result {
        loop {
            conn.send(vec![0; 64 << 10]).await?;
        }
    }

    async fn on_close(&self, _: &Connection, reason: CloseReason) -> Result {
        Ok(self.0.send(reason)?)
    }
}

#[tokio::test]
async fn a_peer_that_is_gone_without_a_word_is_dropped_idle_or_in_the_middle_of_a_callback() {
    let mut config = config();
    config.servers[0].heartbeat.interval = Some(Duration::from_millis(100));
    config.servers[0].heartbeat.timeout = Duration::from_millis(300);
    config.servers[0].limits.connections = 1;
    let (closing, mut closed) = mpsc::unbounded_channel();
    let server = start_with(App::without_registry().controller("/", Pouring(closing)), config).await;
    let logs = Logs::start();
    let hub = server.running.hub();
    for asks in [false, true] {
        let mut silent = server.raw("/").await;
        if asks {
            silent.frame(0x81, b"more than the system's buffers hold").await;
        }
        // Its end of the socket stays open, and nothing is read from it.
        let reason = within("on_close", closed.recv()).await;
        assert_eq!(reason, Some(CloseReason::Heartbeat), "asks: {asks}");
        until("it is given back", || hub.all().count_local() == 0 && hub.user("guest").count_local() == 0)
            .await;
        assert_eq!(hub.room::<Pouring>("lounge").count_local(), 0);
        drop(silent);
    }
    assert!(closed.try_recv().is_err(), "on_close once each");
    assert!(!logs.text().contains(" ERROR "), "nobody's fault: {}", logs.text());
}
