//! `#[ws_handlers]` beside `impl Controller`
//! Write: one of the two; `#[on_text]`, `#[on_close]` and the like belong in the block

use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_event("say")]
    async fn say(&self) {}
}

impl Controller for Room {}

fn main() {}
