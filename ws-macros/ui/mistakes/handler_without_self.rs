//! A handler without `&self`
//! Write: `async fn open(&self, conn: &Connection)`

use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(conn: &Connection) {
        println!("{}", conn.id());
    }
}

fn main() {}
