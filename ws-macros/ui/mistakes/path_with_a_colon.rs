//! A path parameter in the syntax of other frameworks
//! Write: `"/rooms/{room}"`

use ws_core::prelude::*;

#[ws_controller(path = "/rooms/:room")]
struct Room;

impl Controller for Room {}

fn main() {}
