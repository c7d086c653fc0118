//! Two parameters that take the message
//! Write: `Data<T>` or `Message`, not both

use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_event("say")]
    async fn say(&self, Data(text): Data<String>, message: Message) {
        println!("{text} {message:?}");
    }
}

fn main() {}
