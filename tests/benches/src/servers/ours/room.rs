//! A room with all connections: every message goes to all members through the hub.

use ws_core::{Connection, Controller, Message, Result};

const LOBBY: &str = "lobby";

pub(super) struct Room;

impl Controller for Room {
    async fn on_open(&self, conn: &Connection) -> Result {
        conn.join(LOBBY)?;
        Ok(())
    }

    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        conn.hub().room::<Self>(LOBBY).push(message);
        Ok(())
    }
}
