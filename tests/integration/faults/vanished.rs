//! The peer vanishes: no FIN, no reset, and no answer to a ping, in several states of the server.

use std::time::Duration;

use tokio::{sync::mpsc, time::Instant};
use ws_core::{App, CloseReason, Config, Connection, Controller, Hub, Message, Result, testing::TestApp};

use super::settle_in;
use crate::support::{Logs, config, start_with, until, within};

/// Sends without end after a request.
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
async fn a_peer_that_vanished_is_dropped() {
    let (app, mut closed) = pouring();
    let server = start_with(app, config_with_heartbeat()).await;
    let logs = Logs::start();
    // The peer's end of the socket stays open, and nothing is read from it.
    let _silent = server.raw("/").await;
    let reason = within("on_close", closed.recv()).await;
    assert_eq!(reason, Some(CloseReason::Heartbeat));
    until("the connection is released", || is_given_back(&server.running.hub())).await;
    assert!(closed.try_recv().is_err(), "on_close once");
    assert!(!logs.text().contains(" ERROR "), "not logged as a fault: {}", logs.text());
}

/// Over memory, because the timeout of a ping grows with the bytes in the system's buffers before
/// it.
#[tokio::test(start_paused = true)]
async fn a_peer_that_vanished_is_dropped_during_a_callback() {
    let (app, mut closed) = pouring();
    let app = TestApp::start(app.config(config_with_heartbeat())).await;
    let logs = Logs::start();
    let mut silent = app.connect("/").await.unwrap();
    silent.send_text("more than the buffers hold").await;
    let began = Instant::now();
    assert_eq!(closed.recv().await, Some(CloseReason::Heartbeat));
    // Twice the timeout, and a second for each 32 KiB in the pipe.
    assert!(
        began.elapsed() < INTERVAL + 2 * (TIMEOUT + Duration::from_millis(2100)),
        "{:?}",
        began.elapsed()
    );
    while !is_given_back(&app.running().hub()) {
        tokio::task::yield_now().await;
    }
    assert!(closed.try_recv().is_err(), "on_close once");
    assert!(!logs.text().contains(" ERROR "), "not logged as a fault: {}", logs.text());
}

const INTERVAL: Duration = Duration::from_millis(100);
const TIMEOUT: Duration = Duration::from_millis(300);

fn pouring() -> (App, mpsc::UnboundedReceiver<CloseReason>) {
    let (closing, closed) = mpsc::unbounded_channel();
    (App::without_registry().controller("/", Pouring(closing)), closed)
}

fn config_with_heartbeat() -> Config {
    let mut config = config();
    config.servers[0].heartbeat.interval = Some(INTERVAL);
    config.servers[0].heartbeat.timeout = TIMEOUT;
    config.servers[0].limits.connections = 1;
    config
}

fn is_given_back(hub: &Hub) -> bool {
    hub.all().count_local() == 0
        && hub.user("guest").count_local() == 0
        && hub.room::<Pouring>("lounge").count_local() == 0
}
