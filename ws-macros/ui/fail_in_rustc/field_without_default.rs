use ws_core::prelude::*;

struct Users(u32);

#[ws_controller(path = "/rooms")]
struct Rooms {
    users: Users,
}

impl Controller for Rooms {}

#[ws_controller(path = "/tuple")]
struct Tuple(u8, Vec<Users>);

impl Controller for Tuple {}

fn main() {}
