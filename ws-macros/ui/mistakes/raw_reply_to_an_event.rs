//! A `String` returned from `#[on_event]`
//! Write: `-> Data<String>`

use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_event("say")]
    async fn say(&self) -> String {
        "said".to_owned()
    }
}

fn main() {}
