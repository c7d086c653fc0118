use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(&self) {}
}

#[ws_handlers]
impl Room {
    #[on_close]
    async fn close(&self) {}
}

fn main() {}
