use ws_core::{handlers::EventName, prelude::*};

struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(&self, _: Text, _: Data<u8>) {}

    #[on_text]
    async fn text(&self, _: Data<u8>) {}

    #[on_binary]
    async fn binary(&self, _: &str) {}

    #[on_ping]
    async fn ping(&self, _: CloseReason) {}

    #[on_pong]
    async fn pong(&self, _: EventName<'_>) {}

    #[on_close]
    async fn close(&self, _: Message) {}
}

fn main() {}
