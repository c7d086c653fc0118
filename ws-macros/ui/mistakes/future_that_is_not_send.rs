//! An `Rc` held across an await
//! Write: `Arc` in place of `Rc`, or a block that drops it before the await

use std::rc::Rc;

use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_event("say")]
    async fn say(&self) -> Data<usize> {
        let shared = Rc::new(1);
        std::future::ready(()).await;
        Data(*shared)
    }
}

fn main() {}
