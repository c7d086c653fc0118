use ws_core::prelude::*;

#[ws_controller(path = "/{room}")]
struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(&self, Path(_room): &Path<&str>) {}

    #[on_event("value")]
    async fn value(&self, Path(_room): Path<&str>) {}

    #[on_event("option")]
    async fn option(&self, _room: Option<&Path<(&str, u8)>>) {}

    #[on_event("declared")]
    async fn declared<'a>(&self, _room: &'a Path<&'a str>) {}
}

fn main() {}
