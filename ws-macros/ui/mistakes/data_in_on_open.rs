//! `Data<T>` in a callback without an event
//! Write: `Data<T>` in `#[on_event]`; in `#[on_open]`, `Path<T>`, `Query<T>` or `Header<T>`

use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(&self, Data(text): Data<String>) {
        println!("{text}");
    }
}

fn main() {}
