use ws_core::prelude::*;

#[ws_controller(path = "/rooms")]
struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(&self, Path(_room): &Path<String>) {}
}

#[ws_controller(path = "/{{braces}}")]
struct Braces;

#[ws_handlers]
impl Braces {
    #[on_open]
    async fn open(&self, Path(_braces): &Path<String>) {}
}

fn main() {}
