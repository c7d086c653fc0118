use std::rc::Rc;

use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(&self) {
        let id = Rc::new(7);
        std::future::ready(()).await;
        drop(id);
    }

    #[on_event("say")]
    async fn say(&self) {
        let id = Rc::new(7);
        std::future::ready(()).await;
        drop(id);
    }
}

fn main() {}
