//! A guard that returns `bool`
//! Write: `async fn admin(conn: &Connection) -> Result`

use ws_core::prelude::*;

async fn admin(conn: &Connection) -> bool {
    conn.user().is_some()
}

struct Room;

#[ws_handlers]
impl Room {
    #[on_event("close")]
    #[guard(admin)]
    async fn close(&self) {}
}

fn main() {}
