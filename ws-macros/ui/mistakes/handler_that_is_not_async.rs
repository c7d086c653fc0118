//! A handler without `async`
//! Write: `async fn open(&self, conn: &Connection)`

use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    fn open(&self, conn: &Connection) {
        println!("{}", conn.id());
    }
}

fn main() {}
