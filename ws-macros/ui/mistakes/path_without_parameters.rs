//! `Path<T>` on a route without parameters
//! Write: `path = "/rooms/{room}"`

use ws_core::prelude::*;

#[ws_controller(path = "/rooms")]
struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(&self, Path(room): &Path<String>) {
        println!("{room}");
    }
}

fn main() {}
