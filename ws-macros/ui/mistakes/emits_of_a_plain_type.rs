//! `emits(..)` of a type that is not an event
//! Write: `#[derive(WsEvent)] #[ws_event("joined")]` on the type

use serde::Serialize;
use ws_core::prelude::*;

#[derive(Serialize)]
struct Joined {
    id: u64,
}

#[ws_controller(path = "/room", emits(Joined))]
struct Room;

impl Controller for Room {}

fn main() {}
