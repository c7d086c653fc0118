//! Errors of a callback that belong to another connection.

use std::sync::Mutex;

use tokio::sync::mpsc;
use ws_core::{
    App, CloseReason, Connection, Controller, Message, Result, connection::AskError, error::SendError,
    testing::TestApp,
};

use crate::support::Logs;

/// All connections, and how they ended.
struct Room {
    members: Mutex<Vec<Connection>>,
    closed: mpsc::UnboundedSender<CloseReason>,
}

impl Room {
    fn other(&self, conn: &Connection) -> Connection {
        self.members.lock().unwrap().iter().find(|other| *other != conn).unwrap().clone()
    }
}

impl Controller for Room {
    async fn on_open(&self, conn: &Connection) -> Result {
        self.members.lock().unwrap().push(conn.clone());
        Ok(())
    }

    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        let other = self.other(conn);
        match message.as_text() {
            Some("push to the other") => other.push("hello")?,
            Some("close and push to the other") => {
                conn.disconnect(4000, "")?;
                other.push("hello")?;
            }
            Some("close and call the other") => {
                conn.disconnect(4000, "")?;
                other.ask_event::<u32>("number", &()).await?;
            }
            Some("close and push") => {
                conn.disconnect(4000, "")?;
                conn.push("hello")?;
            }
            Some("close and call") => {
                conn.disconnect(4000, "")?;
                conn.ask_event::<u32>("number", &()).await?;
            }
            Some("count") => {
                let failed = [other.push("hello").is_err(), other.push("again").is_err()];
                conn.push(format!("{failed:?}"))?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn on_close(&self, _: &Connection, reason: CloseReason) -> Result {
        Ok(self.closed.send(reason)?)
    }
}

/// A room that another client has left.
async fn room() -> (TestApp, mpsc::UnboundedReceiver<CloseReason>) {
    let (closed, mut reasons) = mpsc::unbounded_channel();
    let room = Room { members: Mutex::default(), closed };
    let app = TestApp::start(App::without_registry().controller("/", room)).await;
    drop(app.connect("/").await.unwrap());
    assert_eq!(reasons.recv().await.unwrap().code(), 1006);
    (app, reasons)
}

#[tokio::test]
async fn only_the_end_of_the_own_connection_ends_a_callback_quietly() {
    for (text, code, is_logged) in [
        ("close and push to the other", 4000, true),
        ("close and call the other", 4000, true),
        ("close and push", 4000, false),
        ("close and call", 4000, false),
    ] {
        let (app, mut reasons) = room().await;
        let logs = Logs::start();
        let mut client = app.connect("/").await.unwrap();
        client.send_text(text).await;
        client.expect_close(code).await;
        assert_eq!(reasons.recv().await.unwrap().code(), code, "{text}");
        assert_eq!(logs.text().contains(" WARN "), is_logged, "{text}: {}", logs.text());
        assert!(!logs.text().contains(" ERROR "), "{text}: {}", logs.text());
    }
}

#[tokio::test]
async fn the_error_of_another_connection_does_not_close_the_own() {
    let (app, _reasons) = room().await;
    let logs = Logs::start();
    let mut client = app.connect("/").await.unwrap();
    client.send_text("push to the other").await;
    client.send_text("count").await;
    assert_eq!(client.next_text().await.unwrap(), "[true, true]");
    logs.line("a callback failed because of another connection");
    assert!(!logs.text().contains(" ERROR "), "{}", logs.text());
}

#[tokio::test]
async fn a_push_to_another_connection_may_fail_without_an_end_of_the_own() {
    let (app, _reasons) = room().await;
    let mut client = app.connect("/").await.unwrap();
    for _ in 0..2 {
        client.send_text("count").await;
        assert_eq!(client.next_text().await.unwrap(), "[true, true]");
    }
}

#[tokio::test]
async fn an_error_of_sending_and_of_a_call_tells_whose_it_is() {
    let (app, _reasons) = room().await;
    let _client = app.connect("/").await.unwrap();
    let hub = app.running().hub();
    let id = hub.all().ids_local()[0];
    let conn = hub.get_local(id).unwrap();
    let not_json = std::collections::HashMap::from([(vec![1_u8], 1)]);
    assert_eq!(conn.push_json(&not_json).unwrap_err().connection(), None);
    // No other task runs between these pushes, so the outbox only fills.
    let full = (0..=256).find_map(|_| conn.push("x").err()).unwrap();
    assert!(matches!(full, SendError::Full { .. }), "{full:?}");
    let closed = conn.push("x").unwrap_err();
    assert!(matches!(closed, SendError::Closed { .. }), "{closed:?}");
    assert_eq!((full.connection(), closed.connection()), (Some(id), Some(id)));
    let called = conn.ask_event::<u32>("number", &()).await.unwrap_err();
    assert!(matches!(called, AskError::Closed { .. }), "{called:?}");
    assert_eq!(called.connection(), Some(id));
}
