//! A reply that the event's type does not declare
//! Write: `-> Said`, or `reply = usize` at the event

use serde::{Deserialize, Serialize};
use ws_core::prelude::*;

#[derive(Deserialize, WsEvent)]
#[ws_event("say", reply = Said)]
struct Say {
    text: String,
}

#[derive(Serialize, WsEvent)]
#[ws_event("said")]
struct Said {
    id: u64,
}

struct Room;

#[ws_handlers]
impl Room {
    #[on_event("say")]
    async fn say(&self, Data(say): Data<Say>) -> Data<usize> {
        Data(say.text.len())
    }
}

fn main() {}
