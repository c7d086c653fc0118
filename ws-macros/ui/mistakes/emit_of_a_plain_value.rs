//! `emit` of a value whose type is not an event
//! Write: `#[derive(WsEvent)] #[ws_event("joined")]` on the type, or `conn.event("joined", &value)`

use serde::Serialize;
use ws_core::prelude::*;

#[derive(Serialize)]
struct Joined {
    id: u64,
}

struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(&self, conn: &Connection) -> Result {
        Ok(conn.emit(&Joined { id: 1 })?)
    }
}

fn main() {}
