//! `#[on_event(..)]` in a block without `#[ws_handlers]`
//! Write: `#[ws_handlers]` above the `impl` block

use ws_core::prelude::*;

struct Room;

impl Room {
    #[on_event("say")]
    async fn say(&self) {}
}

fn main() {}
