//! The deadline of a callback applies however the connection ends, and so does a request to close.
//! All tests use paused time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::mpsc, time::Instant};
use ws_core::{
    App, CloseReason, Connection, Controller, Message, Recovery, Result, Route, Scene, testing::TestApp,
    ws_error_handler,
};

use crate::{
    registry,
    support::{config, registry_config},
};

/// Reports when it is dropped.
struct Told(mpsc::UnboundedSender<&'static str>, &'static str);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(self.1);
    }
}

/// Its handler and its `on_close` never end.
struct Hung(mpsc::UnboundedSender<&'static str>);

impl Controller for Hung {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        let _told = Told(self.0.clone(), "message");
        conn.push(message)?;
        std::future::pending().await
    }

    async fn on_close(&self, _: &Connection, _: CloseReason) -> Result {
        let _told = Told(self.0.clone(), "close");
        std::future::pending().await
    }
}

async fn hung(handler_timeout: Option<Duration>) -> (TestApp, mpsc::UnboundedReceiver<&'static str>) {
    let (told, ends) = mpsc::unbounded_channel();
    let mut config = config();
    config.servers[0].limits.handler_timeout = handler_timeout;
    config.servers[0].limits.close_timeout = Duration::from_secs(5);
    config.servers[0].heartbeat.interval = Some(Duration::from_secs(60));
    let app = App::without_registry().controller("/", Hung(told)).config(config);
    (TestApp::start(app).await, ends)
}

/// Returns the next end, within ten minutes of paused time.
async fn next(ends: &mut mpsc::UnboundedReceiver<&'static str>) -> &'static str {
    tokio::time::timeout(Duration::from_secs(600), ends.recv()).await.expect("it hangs").unwrap()
}

/// Returns the time until the only connection is gone.
async fn gone(app: &TestApp, since: Instant) -> Duration {
    while app.running().hub().count_local() > 0 {
        assert!(since.elapsed() < Duration::from_secs(600), "it is still open");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    since.elapsed()
}

#[tokio::test(start_paused = true)]
async fn an_on_close_that_hangs_after_the_peer_vanished_has_the_close_timeout() {
    let (app, mut ends) = hung(None).await;
    let began = Instant::now();
    drop(app.connect("/").await.unwrap());
    assert_eq!(next(&mut ends).await, "close");
    assert_eq!(began.elapsed().as_secs(), 5);
    assert!(gone(&app, began).await.as_secs() <= 5);
}

#[tokio::test(start_paused = true)]
async fn an_on_close_that_hangs_after_a_missed_heartbeat_has_the_close_timeout() {
    let (app, mut ends) = hung(None).await;
    let began = Instant::now();
    // It answers a ping only while its messages are read.
    let _silent = app.connect("/").await.unwrap();
    assert_eq!(next(&mut ends).await, "close");
    assert_eq!(began.elapsed().as_secs(), 60 + 20 + 5);
    assert!(gone(&app, began).await.as_secs() <= 85);
}

#[tokio::test(start_paused = true)]
async fn a_handler_keeps_its_deadline_when_the_peer_closes_meanwhile() {
    let (app, mut ends) = hung(Some(Duration::from_secs(30))).await;
    let began = Instant::now();
    let mut client = app.connect("/").await.unwrap();
    client.send_text("hi").await;
    assert_eq!(client.next_text().await.unwrap(), "hi");
    client.close(1000, "").await;
    assert_eq!(next(&mut ends).await, "message");
    assert_eq!(began.elapsed().as_secs(), 30, "long after the closing handshake");
    assert_eq!(next(&mut ends).await, "close");
    assert_eq!(began.elapsed().as_secs(), 35);
    assert!(gone(&app, began).await.as_secs() <= 35);
}

/// Its handler never ends.
#[derive(Debug, thiserror::Error)]
#[error("the database is gone")]
struct NeverHandled;

#[ws_error_handler(server = "faults")]
async fn never_answers(_: &NeverHandled, _: &Scene) -> Recovery {
    std::future::pending().await
}

struct FailsToClose;

impl Controller for FailsToClose {
    async fn on_close(&self, _: &Connection, _: CloseReason) -> Result {
        Err(NeverHandled.into())
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_handler_that_hangs_on_a_failed_on_close_has_the_close_timeout() {
    let route = Route::new("/fails-to-close", FailsToClose).server("faults");
    let app = TestApp::start(registry::app().route(route).config(registry_config())).await;
    let began = Instant::now();
    drop(app.connect_to("faults", "/fails-to-close").await.unwrap());
    assert!((5..10).contains(&gone(&app, began).await.as_secs()));
}

/// Closes after another event, whatever number of messages arrived meanwhile.
struct Bouncer {
    messages: Arc<AtomicUsize>,
}

impl Controller for Bouncer {
    async fn on_open(&self, conn: &Connection) -> Result {
        tokio::time::sleep(Duration::from_secs(1)).await;
        conn.disconnect(4401, "who are you?")?;
        Ok(())
    }

    async fn on_message(&self, _: &Connection, _: Message) -> Result {
        self.messages.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_arrived_before_disconnect_is_not_handled_after_it() {
    let messages = Arc::new(AtomicUsize::new(0));
    let bouncer = Bouncer { messages: Arc::clone(&messages) };
    let app = App::without_registry().controller("/", bouncer).config(config());
    let app = TestApp::start(app).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_text("let me in").await;
    client.send_text("please").await;
    assert_eq!(client.expect_close(4401).await, "who are you?");
    app.shutdown().await;
    assert_eq!(messages.load(Ordering::SeqCst), 0);
}
