//! A misspelt middleware
//! Write: the name of the function

use ws_core::prelude::*;

#[ws_controller(path = "/room", middleware(auht))]
struct Room;

impl Controller for Room {}

fn main() {}
