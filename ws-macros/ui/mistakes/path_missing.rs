//! A controller without a path
//! Write: `#[ws_controller(path = "/room")]`

use ws_core::prelude::*;

#[ws_controller]
struct Room;

impl Controller for Room {}

fn main() {}
