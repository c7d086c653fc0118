//! A size with an unknown unit
//! Write: `message = "64KiB"`

use ws_core::prelude::*;

#[ws_controller(path = "/room", limits(message = "64 kilobytes"))]
struct Room;

impl Controller for Room {}

fn main() {}
