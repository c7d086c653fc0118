//! Two blocks with `#[ws_handlers]` for one type
//! Write: one block; other methods may stay in a block without the attribute

use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(&self) {}
}

#[ws_handlers]
impl Room {
    #[on_event("say")]
    async fn say(&self) {}
}

fn main() {}
