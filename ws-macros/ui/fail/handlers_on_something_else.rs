use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Clone for Room {
    fn clone(&self) -> Self {
        Self
    }
}

#[ws_handlers]
struct Hall;

struct Many<T>(T);

#[ws_handlers]
impl<T> Many<T> {
    #[on_open]
    async fn open(&self) {}
}

struct Silent;

#[ws_handlers]
impl Silent {
    async fn open(&self) {}
}

fn main() {}
