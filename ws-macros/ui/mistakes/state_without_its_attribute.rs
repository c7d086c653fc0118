//! A field without `#[state]` and without a default
//! Write: `#[state]` on the field

use ws_core::prelude::*;

#[derive(Clone)]
struct Database(String);

#[ws_controller(path = "/room")]
struct Room {
    database: Database,
}

impl Controller for Room {}

fn main() {}
