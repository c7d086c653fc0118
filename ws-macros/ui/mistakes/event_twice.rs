//! Two handlers for one event
//! Write: one handler, or another name

use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_event("say")]
    async fn say(&self) {}

    #[on_event("say")]
    async fn speak(&self) {}
}

fn main() {}
