//! A reply from `#[on_close]`
//! Write: no return type; send before the connection closes

use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_close]
    async fn close(&self) -> String {
        "bye".to_owned()
    }
}

fn main() {}
