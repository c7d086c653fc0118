use ws_core::prelude::*;

#[ws_controller(path = "/echo", server = "ws", path = "/echoes")]
struct Echo;

impl Controller for Echo {}

fn main() {}
