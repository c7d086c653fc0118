//! A handler that takes `&mut self`
//! Write: `&self`, and an `AtomicU64` or a `Mutex` in the field

use ws_core::prelude::*;

struct Room {
    count: u64,
}

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(&mut self) {
        self.count += 1;
    }
}

fn main() {}
