//! A task of `Connection::spawn` that borrows the connection
//! Write: `conn: Connection` as the parameter, or `let conn = conn.clone();` in front of the task

use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_event("later")]
    async fn later(&self, conn: &Connection) -> Result {
        Ok(conn.spawn(async move {
            let _ = conn.push("x");
        })?)
    }
}

fn main() {}
