//! A handler for an event of the server
//! Write: another name, such as `#[on_event("problem")]`

use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_event("error")]
    async fn error(&self) {}
}

fn main() {}
