//! The peer is gone without a word: no FIN, no reset, and no answer to a ping, whatever the server was doing.

use std::time::Duration;

use tokio::{sync::mpsc, time::Instant};
use ws_core::{App, CloseReason, Config, Connection, Controller, Hub, Message, Result, testing::TestApp};

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
async fn a_peer_that_is_gone_without_a_word_is_dropped() {
    let (app, mut closed) = pouring();
    let server = start_with(app, config_with_heartbeat()).await;
    let logs = Logs::start();
    // Its end of the socket stays open, and nothing is read from it.
    let _silent = server.raw("/").await;
    let reason = within("on_close", closed.recv()).await;
    assert_eq!(reason, Some(CloseReason::Heartbeat));
    until("it is given back", || is_given_back(&server.running.hub())).await;
    assert!(closed.try_recv().is_err(), "on_close once");
    assert!(!logs.text().contains(" ERROR "), "nobody's fault: {}", logs.text());
}

/// Over memory, since a ping is given the more time the more the system's buffers hold in front of
/// it.
#[tokio::test(start_paused = true)]
async fn a_peer_that_is_gone_without_a_word_is_dropped_in_the_middle_of_a_callback() {
    let (app, mut closed) = pouring();
    let app = TestApp::start(app.config(config_with_heartbeat())).await;
    let logs = Logs::start();
    let mut silent = app.connect("/").await.unwrap();
    silent.send_text("more than the buffers hold").await;
    let began = Instant::now();
    assert_eq!(closed.recv().await, Some(CloseReason::Heartbeat));
    // Twice the timeout, and a second for each 32 KiB of what the pipe holds.
    assert!(
        began.elapsed() < INTERVAL + 2 * (TIMEOUT + Duration::from_millis(2100)),
        "{:?}",
        began.elapsed()
    );
    while !is_given_back(&app.running().hub()) {
        tokio::task::yield_now().await;
    }
    assert!(closed.try_recv().is_err(), "on_close once");
    assert!(!logs.text().contains(" ERROR "), "nobody's fault: {}", logs.text());
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
