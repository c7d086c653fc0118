use ws_core::prelude::*;

#[ws_controller(path = "/")]
struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(&self) {}
}

impl Controller for Room {
    async fn on_message(&self, _: &Connection, _: Message) -> Result {
        Ok(())
    }
}

fn main() {}
