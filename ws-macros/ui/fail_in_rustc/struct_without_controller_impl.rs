use ws_core::prelude::*;

#[ws_controller(path = "/echo")]
struct Echo;

#[ws_controller(path = "/rooms")]
struct Rooms {
    open: u32,
}

fn main() {}
