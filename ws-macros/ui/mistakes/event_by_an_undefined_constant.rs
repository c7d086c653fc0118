//! An event named by a constant that does not exist
//! Write: `const SAY: &str = "say";`, or `#[on_event("say")]`

use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_event(SAY)]
    async fn say(&self) {}
}

fn main() {}
