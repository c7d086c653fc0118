use ws_core::prelude::*;

#[ws_controller(path = "/rooms")]
struct Rooms {
    #[state(Users)]
    users: u32,
    #[state]
    #[state]
    names: String,
}

impl Controller for Rooms {}

fn main() {}
