use ws_core::prelude::*;

struct Users(u32);

#[ws_controller(path = "/rooms")]
struct Rooms {
    #[state]
    users: Users,
}

impl Controller for Rooms {}

fn main() {}
