//! Hostile and half-dead peers: floods, slowness, and every way to end a connection.
//!
//! The memory that such peers cost is measured in `tests/memory`, a binary of its own.

mod endings;
mod floods;
mod half_sent_heads;
mod slowness;

use tokio::sync::mpsc;
use ws_core::{App, CloseReason, Connection, Controller, Message, Result};

use crate::support::{Server, start, within};

/// Echoes messages, and reports to the test how connections ended.
struct Echo(mpsc::UnboundedSender<CloseReason>);

impl Controller for Echo {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        Ok(conn.send(message).await?)
    }

    async fn on_close(&self, _: &Connection, reason: CloseReason) -> Result {
        Ok(self.0.send(reason)?)
    }
}

/// How the connections of an [`Echo`] ended.
struct Endings(mpsc::UnboundedReceiver<CloseReason>);

impl Endings {
    /// Checks that the next ended connection has this reason, by its name, and this code.
    async fn assert_next(&mut self, case: &str, name: &str, code: u16) {
        let reason = within("on_close", self.0.recv()).await.unwrap();
        assert!(format!("{reason:?}").starts_with(name), "{case}: {reason:?}");
        assert_eq!(reason.code(), code, "{case}");
        assert!(self.0.try_recv().is_err(), "{case}: on_close once");
    }
}

fn app() -> (App, Endings) {
    let (sender, endings) = mpsc::unbounded_channel();
    (App::without_registry().controller("/", Echo(sender)), Endings(endings))
}

async fn echo() -> (Server, Endings) {
    let (app, endings) = app();
    (start(app).await, endings)
}
