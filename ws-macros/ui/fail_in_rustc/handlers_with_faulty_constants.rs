use ws_core::prelude::*;

mod names {
    pub const EMPTY: &str = "";
    pub const PONG: &str = "pong";
    pub const NUMBER: u8 = 7;
}

struct Room;

#[ws_handlers]
impl Room {
    #[on_event(names::EMPTY)]
    async fn empty(&self) {}

    #[on_event(names::PONG)]
    async fn reserved(&self) {}

    #[on_event(names::NUMBER)]
    async fn number(&self) {}
}

fn main() {}
