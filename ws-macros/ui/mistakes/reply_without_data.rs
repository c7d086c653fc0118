//! A value returned without `Data(..)`
//! Write: `-> Data<Said>`, or `#[derive(WsEvent)]` on the type

use serde::Serialize;
use ws_core::prelude::*;

#[derive(Serialize)]
struct Said {
    id: u64,
}

struct Room;

#[ws_handlers]
impl Room {
    #[on_event("say")]
    async fn say(&self) -> Said {
        Said { id: 1 }
    }
}

fn main() {}
