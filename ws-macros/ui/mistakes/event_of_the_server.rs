//! A handler for an event that the server sends itself
//! Write: another name, such as `#[on_event("problem")]`

use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_event("error")]
    async fn error(&self) {}
}

fn main() {}
