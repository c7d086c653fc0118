//! A path parameter as other frameworks write it
//! Write: `"/rooms/{room}"`

use ws_core::prelude::*;

#[ws_controller(path = "/rooms/:room")]
struct Room;

impl Controller for Room {}

fn main() {}
