//! An event whose name differs from the name of its type
//! Write: the same name in `#[on_event(..)]` and `#[ws_event(..)]`

use serde::Deserialize;
use ws_core::prelude::*;

#[derive(Deserialize, WsEvent)]
#[ws_event("shout")]
struct Say {
    text: String,
}

struct Room;

#[ws_handlers]
impl Room {
    #[on_event("say")]
    async fn say(&self, Data(say): Data<Say>) {
        println!("{}", say.text);
    }
}

fn main() {}
