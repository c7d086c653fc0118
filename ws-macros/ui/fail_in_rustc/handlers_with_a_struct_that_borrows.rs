use serde::Deserialize;
use ws_core::prelude::*;

#[derive(Deserialize)]
struct Place<'a> {
    name: &'a str,
}

#[ws_controller(path = "/rooms/{name}")]
struct Room;

#[ws_handlers]
impl Room {
    #[on_event("say")]
    async fn say(&self, Path(place): &Path<Place<'_>>) -> Data<usize> {
        Data(place.name.len())
    }
}

fn main() {}
