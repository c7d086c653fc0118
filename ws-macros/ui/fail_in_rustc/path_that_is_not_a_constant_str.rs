use ws_core::prelude::*;

const PATH: &str = "/rooms";
const NUMBER: u8 = 7;

#[ws_controller(path = PATH)]
struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(&self, _room: &Path<String>) {}
}

#[ws_controller(path = NUMBER)]
struct Lobby;

impl Controller for Lobby {}

fn main() {}
