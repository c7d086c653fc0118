use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_event("say")]
    async fn say(Data(_text): Data<String>, &self) {}
}

fn main() {}
