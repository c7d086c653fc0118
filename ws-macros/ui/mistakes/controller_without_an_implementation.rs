//! A struct with `#[ws_controller(..)]` and no `impl Controller` or `#[ws_handlers]`
//! Write: `#[ws_handlers] impl Room { .. }`, or `impl Controller for Room { .. }`

use ws_core::prelude::*;

#[ws_controller(path = "/room")]
struct Room;

fn main() {}
