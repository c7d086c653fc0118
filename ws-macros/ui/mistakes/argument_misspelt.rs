//! A misspelt argument
//! Write: `middleware(auth)`

use ws_core::prelude::*;

#[ws_controller(path = "/room", midleware(auth))]
struct Room;

impl Controller for Room {}

fn main() {}
