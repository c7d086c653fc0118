//! A payload as a parameter, without `Data(..)`
//! Write: `Data(say): Data<Say>`

use serde::Deserialize;
use ws_core::prelude::*;

#[derive(Deserialize)]
struct Say {
    text: String,
}

struct Room;

#[ws_handlers]
impl Room {
    #[on_event("say")]
    async fn say(&self, say: Say) {
        println!("{}", say.text);
    }
}

fn main() {}
