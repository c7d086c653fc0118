//! `Path<&str>`, which borrows
//! Write: `&Path<String>`

use ws_core::prelude::*;

#[ws_controller(path = "/rooms/{room}")]
struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(&self, Path(room): Path<&str>) {
        println!("{room}");
    }
}

fn main() {}
