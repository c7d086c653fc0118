//! A `#[state]` field whose type is not `Clone`
//! Write: `#[derive(Clone)]`, or `Arc<Database>` as the state

use ws_core::prelude::*;

struct Database(String);

#[ws_controller(path = "/room")]
struct Room {
    #[state]
    database: Database,
}

impl Controller for Room {}

fn main() {}
