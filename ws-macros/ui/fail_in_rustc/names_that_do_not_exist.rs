use ws_core::prelude::*;

#[ws_controller(path = ROOMS)]
struct Room;

#[ws_handlers]
impl Room {
    #[on_event(say)]
    async fn say(&self) {}

    #[on_event("shout", names::SHOUT)]
    async fn shout(&self) {}

    #[on_event("whisper", answers(Room))]
    async fn whisper(&self) {}
}

fn main() {}
