use ws_core::prelude::*;

#[ws_controller]
struct Bare;

impl Controller for Bare {}

#[ws_controller(server = "ws")]
struct Elsewhere;

impl Controller for Elsewhere {}

fn main() {}
