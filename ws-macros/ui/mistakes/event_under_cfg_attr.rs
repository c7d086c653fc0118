//! `#[on_event(..)]` inside of `#[cfg_attr(..)]`
//! Write: `#[cfg(..)] #[on_event("say")]` on the method

use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[cfg_attr(all(), on_event("say"))]
    async fn say(&self) {}
}

fn main() {}
