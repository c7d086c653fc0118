//! A reply that does not derive `Serialize`
//! Write: `#[derive(Serialize)]`

use ws_core::prelude::*;

struct Said {
    id: u64,
}

struct Room;

#[ws_handlers]
impl Room {
    #[on_event("say")]
    async fn say(&self) -> Data<Said> {
        Data(Said { id: 1 })
    }
}

fn main() {}
