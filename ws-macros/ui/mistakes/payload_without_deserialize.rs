//! A payload that does not derive `Deserialize`
//! Write: `#[derive(Deserialize)]`

use ws_core::prelude::*;

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
