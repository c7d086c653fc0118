use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_event("say")]
    async fn say(&self, _: Data<u8>, _: Text) {}

    #[on_text]
    async fn text(&self, _: &str, _: Option<Json<u8>>) {}
}

fn main() {}
