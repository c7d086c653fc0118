use ws_core::prelude::*;

#[ws_controller(path = "/")]
struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(&self) {}

    #[cfg_attr(all(), on_event("e"))]
    async fn e(&self) {}

    #[cfg_attr(any(), on_event("f"))]
    async fn f(&self) {}
}

fn main() {}
