use ws_core::prelude::*;

#[ws_controller(path = "/a")]
#[ws_controller(path = "/b")]
struct Echo;

impl Controller for Echo {}

fn main() {}
