//! `#[on_event]` without a name
//! Write: `#[on_event("say")]`

use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_event]
    async fn say(&self) {}
}

fn main() {}
