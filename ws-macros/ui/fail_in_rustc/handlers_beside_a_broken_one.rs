use ws_core::prelude::*;

struct User;

#[ws_controller(path = "/rooms")]
struct Room;

#[ws_handlers]
impl Room {
    #[on_event]
    async fn unnamed(&self, _: User) {}

    #[on_event("say")]
    async fn say(&self, _: User) {}
}

fn main() {}
